//! Ctrl-C and other requests to end.

use std::sync::{Arc, atomic::AtomicBool};

use crate::report::ask_to_stop;

/// A flag that the first Ctrl-C (or SIGTERM, or SIGHUP) sets; a second one ends the process at once, and so does the first
/// where a run has taken no step yet. A signal that is ignored when this is called, as `nohup` and a shell's `&` have it, stays
/// ignored.
///
/// Call it once a process; where a handler already stands, the flag stays unset.
pub fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    #[cfg(unix)]
    let ignored = ignored_signals();
    if let Err(error) = ctrlc::set_handler(move || ask_to_stop(&flag)) {
        log::warn!("Ctrl-C will end the run at once: {error}");
    }
    #[cfg(unix)]
    ignored.into_iter().for_each(ignore);
    stop
}

/// Those of the handler's signals that whoever started the process has it ignore.
#[cfg(unix)]
fn ignored_signals() -> Vec<libc::c_int> {
    let is_ignored = |signal: &libc::c_int| {
        // SAFETY: all zeros is a value of the type, and nothing but it is written.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            libc::sigaction(*signal, std::ptr::null(), &mut action) == 0 && action.sa_sigaction == libc::SIG_IGN
        }
    };
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().filter(is_ignored).collect()
}

#[cfg(unix)]
fn ignore(signal: libc::c_int) {
    // SAFETY: ignoring a signal runs no code.
    unsafe {
        libc::signal(signal, libc::SIG_IGN);
    }
}
