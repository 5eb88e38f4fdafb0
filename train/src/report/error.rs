//! What can go wrong while a run tells of itself.

use std::{io, path::PathBuf};

/// An error of the reports. Each message is one sentence; what names a file says which.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A file or folder of the run could not be made, read or written.
    #[error("{} cannot be {action}: {cause}", path.display())]
    File {
        /// What was tried, as in "created", "read", "written", "replaced".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A line of a metrics file, not its last, is no record.
    #[error("{}, line {line}: not a record of a run ({cause})", path.display())]
    Line {
        /// The metrics file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the JSON reader said; its own line number is always 1.
        cause: serde_json::Error,
    },
    /// The loss curve could not be drawn.
    #[error("{} cannot be drawn: {reason}", path.display())]
    Draw {
        /// The picture.
        path: PathBuf,
        /// What the plotting library said.
        reason: String,
    },
    /// The dashboard was asked for, but there is no terminal to draw it on.
    #[error(
        "the dashboard (--tui) needs a terminal, but {stream} is not one: leave --tui out, and progress is told in lines"
    )]
    NoTerminal {
        /// What is no terminal.
        stream: &'static str,
    },
    /// The dashboard was asked for, but the terminal cannot be drawn on.
    #[error(
        "the dashboard (--tui) cannot be shown on this terminal: {cause}; leave --tui out, and progress is told in lines"
    )]
    Terminal {
        /// What the system said.
        cause: io::Error,
    },
}

impl ReportError {
    /// For `map_err`: says what was tried on which file.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { action, path, cause }
    }
}
