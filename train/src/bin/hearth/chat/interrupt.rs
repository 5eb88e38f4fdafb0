//! Ctrl-C in a chat: it stops an answer; where there is none, or a second time, the program.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

/// The exit code that a shell gives for a program that SIGINT ended, 128 and the signal's number.
const INTERRUPTED: i32 = 128 + 2;

const IDLE: u8 = 0;
const ANSWERING: u8 = 1;
const STOPPED: u8 = 2;

/// What Ctrl-C finds.
pub struct Interrupt(Arc<AtomicU8>);

/// While this lives, Ctrl-C stops the answer alone.
pub struct Answering(Arc<AtomicU8>);

impl Interrupt {
    /// Call it once a process.
    pub fn install() -> Self {
        let state = Arc::new(AtomicU8::new(IDLE));
        let seen = state.clone();
        let handler = move || {
            if seen.compare_exchange(ANSWERING, STOPPED, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                process::exit(INTERRUPTED);
            }
        };
        if let Err(error) = ctrlc::set_handler(handler) {
            log::warn!("Ctrl-C will end the chat, and not an answer alone: {error}");
        }
        Self(state)
    }

    pub fn answering(&self) -> Answering {
        self.0.store(ANSWERING, Ordering::SeqCst);
        Answering(self.0.clone())
    }
}

impl Answering {
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::SeqCst) == STOPPED
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.store(IDLE, Ordering::SeqCst);
    }
}
