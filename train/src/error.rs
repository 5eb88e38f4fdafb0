//! Everything that can go wrong with a run, each as one sentence.

use std::path::PathBuf;

use hearth_data::DataError;
use hearth_model::ModelError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A configuration does not parse, has an unknown field, or a value of the wrong kind.
    #[error("{source_name}: {reason}")]
    Config {
        /// The file, or `--set`.
        source_name: String,
        /// Field, value and what would do.
        reason: String,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {action} failed: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder already holds a run.
    #[error("{} already holds a run: go on with it by --resume auto, or give another folder with --out", path.display())]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// Another process trains in the folder.
    #[error("{}: another process trains in this folder: wait for it, or give another folder with --out", path.display())]
    RunBusy {
        /// The folder.
        path: PathBuf,
    },
    /// The device refused memory for a step.
    #[error("the device refused memory for a step that takes about {} MiB: {reason}", bytes >> 20)]
    OutOfMemory {
        /// What the plan predicted.
        bytes: u64,
        /// What the device said.
        reason: String,
    },
    /// The device cannot be had.
    #[error("{0}")]
    Device(String),
    /// The device is gone, as after a reset of its driver.
    #[error("the device was lost: {0}; checkpoints are whole, and --resume auto goes on")]
    DeviceLost(String),
    /// One of several ranks failed.
    #[error("{device}: {reason}; checkpoints are whole: --resume auto goes on, also with other devices")]
    Rank {
        /// Number of the rank.
        rank: usize,
        /// Name of its device.
        device: String,
        /// What it said, or what was seen of it.
        reason: String,
    },
    /// Ranks could not go on together.
    #[cfg(not(target_family = "wasm"))]
    #[error(transparent)]
    Collective(#[from] crate::parallel::CollectiveError),
    /// Too many steps in a row whose loss or gradient is no number.
    #[error("{reason}")]
    GoBack {
        /// Which step, and what it came to.
        reason: String,
        /// Global batches that were drawn until after that step.
        data: u64,
    },
    /// The run has become unstable for good.
    #[error(
        "{report}: the run has diverged, and its checkpoints are from before; lower optimizer.learning_rate, lengthen \
         schedule.warmup_steps, or rule out the device with `hearth certify`"
    )]
    Diverged {
        /// Which step, and what it came to.
        report: String,
    },
    /// A checkpoint is not one of this run.
    #[error("{path}: {reason}")]
    Resume {
        /// The checkpoint, or the run's folder.
        path: String,
        /// The field, both values, and what would do.
        reason: String,
    },
    /// Checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
    /// A fault of the program.
    #[error("this should not have happened, please report it: {0}")]
    Internal(String),
    /// Text, tokenizer or batches.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Model or weights.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Reports.
    #[cfg(not(target_family = "wasm"))]
    #[error(transparent)]
    Report(#[from] crate::report::ReportError),
}

impl TrainError {
    /// For `map_err`: what a device said where its work was read.
    pub fn of_device(error: burn::backend::ExecutionError) -> Self {
        Self::Device(format!("the device failed: {error:?}"))
    }
}
