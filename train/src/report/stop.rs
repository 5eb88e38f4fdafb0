//! What a user's wish to end does, wherever it comes from: a signal, or a key of the dashboard.

use std::{
    io::{IsTerminal, stderr},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{say::say, screen::leave_screen};

/// The exit code of a program that an interrupt ended.
const INTERRUPTED: i32 = 130;

/// Runs that have taken no step yet.
static UNSTARTED: AtomicUsize = AtomicUsize::new(0);

/// As long as it is held there is nothing to save, and a wish to end ends the process at once: reading and tokenizing a text,
/// the first evaluation and compiling kernels may take minutes.
pub(crate) struct Unstarted(());

impl Unstarted {
    pub fn begin() -> Self {
        UNSTARTED.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        UNSTARTED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Has a run end in order by its flag `stop`; ends the process at once if that was asked for already, or if there is nothing
/// to save.
pub(crate) fn ask_to_stop(stop: &AtomicBool) {
    if UNSTARTED.load(Ordering::Relaxed) > 0 {
        leave_screen();
        say("stopped before the first step");
        std::process::exit(INTERRUPTED);
    }
    if stop.swap(true, Ordering::Relaxed) {
        leave_screen();
        say("stopped at once: what came after the newest checkpoint is not kept");
        std::process::exit(INTERRUPTED);
    }
    // A terminal has a bar, and the keys that were pressed, on its last line.
    let break_line = if stderr().is_terminal() { "\n" } else { "" };
    say(&format!("{break_line}ending after this step and saving; press Ctrl-C again to stop at once"));
}
