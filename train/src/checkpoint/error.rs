//! What can be wrong with a checkpoint, each as one sentence that names the file.

use std::{
    io,
    path::{Path, PathBuf},
};

/// An error of checkpoints.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file or folder cannot be made, read or written.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint of a later Hearth.
    #[error("{}: has format {format}, and this Hearth reads format {known}: use a newer one", path.display())]
    Format {
        /// The manifest.
        path: PathBuf,
        /// What it says.
        format: u64,
        /// What is known.
        known: u32,
    },
}

impl CheckpointError {
    /// For `map_err`.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.into(), source }
    }

    /// A reason may quote the file, and stays on one line all the same.
    pub(super) fn broken(path: &Path, reason: impl ToString) -> Self {
        Self::Broken { path: path.into(), reason: reason.to_string().replace(char::is_control, " ") }
    }
}
