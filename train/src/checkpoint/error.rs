//! What can be wrong with a checkpoint, each as one sentence that names the file.

use std::io;

use super::store::Store;

/// An error of checkpoints. A `location` is a path where the store is a folder on the disk, and a name in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file or folder cannot be made, read or written.
    #[error("{location}: {action} failed: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        location: String,
        /// What the store said.
        cause: io::Error,
    },
    /// A file is not what was written.
    #[error("{location}: {reason}")]
    Broken {
        /// The file.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint of a later Hearth.
    #[error("{location}: has format {format}, and this Hearth reads format {known}: use a newer one")]
    Format {
        /// The manifest.
        location: String,
        /// What it says.
        format: u64,
        /// What is known.
        known: u32,
    },
}

impl CheckpointError {
    /// For `map_err`: what was tried with the file or folder `name` of `store`.
    pub(super) fn io(action: &'static str, store: &dyn Store, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { action, location: store.location(name), cause }
    }

    /// A reason may quote the file, and stays on one line all the same.
    pub(super) fn broken(location: impl Into<String>, reason: impl ToString) -> Self {
        Self::Broken { location: location.into(), reason: reason.to_string().replace(char::is_control, " ") }
    }
}
