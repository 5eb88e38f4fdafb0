//! What the process does with host memory that it frees.

/// Has the process keep the host memory that it frees, for the program that trains.
///
/// A step on the CPU frees what the next one asks for, and after a checkpoint a whole state. glibc gives large pieces back
/// to the system, which then has to clear each page again: 3 s a checkpoint of GPT-2. Elsewhere this does nothing.
pub fn keep_freed_host_memory() {
    // SAFETY: both only set a number, and are called before there are other threads.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
    }
}
