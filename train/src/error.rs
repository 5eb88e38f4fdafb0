//! Everything that can go wrong with a run, each as one sentence.

use std::path::PathBuf;

use hearth_data::DataError;
use hearth_model::ModelError;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
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
    #[error("{} already holds a run: give another folder with --out, or remove it", path.display())]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// The device refused memory in the first steps.
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
    /// The loss stopped being a number.
    #[error(
        "the loss became {loss} at step {step}: nothing was saved from there on; lower optimizer.learning_rate, \
         lengthen schedule.warmup_steps, or rule out the device with `hearth certify`"
    )]
    Diverged {
        /// The step whose loss it was.
        step: u64,
        /// Not a number, or infinite.
        loss: f64,
    },
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
