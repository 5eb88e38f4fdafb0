//! Ctrl-C.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The exit code of a program that an interrupt ended.
const INTERRUPTED: i32 = 130;

/// Whether a run is being prepared, so that there is nothing to save.
static PREPARES: AtomicBool = AtomicBool::new(false);

/// As long as it is held a Ctrl-C ends the process at once: reading and tokenizing a text may take a minute.
pub(super) struct Preparing;

impl Preparing {
    pub fn begin() -> Self {
        PREPARES.store(true, Ordering::Relaxed);
        Self
    }
}

impl Drop for Preparing {
    fn drop(&mut self) {
        PREPARES.store(false, Ordering::Relaxed);
    }
}

/// A flag that the first Ctrl-C (or termination request) sets; a second one ends the process at once, and so does the first
/// where a run is still being prepared.
///
/// Call it once a process; where a handler already stands, the flag stays unset.
pub fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let handler = move || {
        let prepares = PREPARES.load(Ordering::Relaxed);
        if prepares {
            eprintln!("stopped before the first step");
        }
        if flag.swap(true, Ordering::Relaxed) || prepares {
            std::process::exit(INTERRUPTED);
        }
        eprintln!("ending after this step and saving; press Ctrl-C again to stop at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        log::warn!("Ctrl-C will end the run at once: {error}");
    }
    stop
}
