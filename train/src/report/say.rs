//! Words on standard error.

use std::io::{self, Write};

/// A line on standard error. A reader that has gone away (`hearth train 2>&1 | head`) does not end a run.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
