//! Ctrl-C.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The exit code of a program that an interrupt ended.
const INTERRUPTED: i32 = 130;

/// A flag that the first Ctrl-C (or termination request) sets; a second one ends the process at once.
///
/// Call it once a process; where a handler already stands, the flag stays unset.
pub fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let handler = move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        eprintln!("ending after this step and saving; press Ctrl-C again to stop at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        log::warn!("Ctrl-C will end the run at once: {error}");
    }
    stop
}
