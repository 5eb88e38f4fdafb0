//! The thread that writes.

use std::thread::JoinHandle;

use thread_priority::{ThreadPriority, set_current_thread_priority};

/// Starts a thread that takes what the steps leave of the processor: on the CPU they want all of it, and nothing waits
/// for a checkpoint but the next one.
pub fn spawn_writer<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(move || {
        // A system that refuses gives the thread its usual share.
        let _ = set_current_thread_priority(ThreadPriority::Min);
        work()
    })
}
