//! What drivers print that is of no use to anybody.

use std::env;

/// Has Mesa not complain, once an instance, where there is no desktop: its layer that chooses a device for a window asks for one.
/// For the program that trains; call it before there are other threads.
pub fn quiet_drivers() {
    if env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: there are no other threads yet.
        unsafe { env::set_var("NODEVICE_SELECT", "1") };
    }
}
