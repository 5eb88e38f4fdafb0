//! Everything that can go wrong with a run, each as one sentence.

use std::path::PathBuf;

use hearth_data::DataError;
use hearth_model::ModelError;

use crate::guard::{BadSteps, Divergence};

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
    #[error("{}: {action} failed: {cause}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
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
    /// A device cannot be had, or failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The device is gone, as after a reset of its driver.
    #[error("the device was lost: {reason}{}; checkpoints are whole, and --resume auto goes on", times(*before))]
    DeviceLost {
        /// What its driver said.
        reason: String,
        /// How often the run had opened it again before.
        before: u64,
    },
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
    #[error("{bad}")]
    GoBack {
        /// The steps.
        bad: BadSteps,
        /// Global batches that were drawn until after that step.
        data: u64,
    },
    /// The run has become unstable for good.
    #[error(
        "{reason}: the run has diverged (any checkpoint is from before); lower optimizer.learning_rate, lengthen \
         schedule.warmup_steps, or rule out the device with `hearth certify`"
    )]
    Diverged {
        /// Which step, and what it came to.
        reason: Divergence,
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
        Self::Device(DeviceError::failed(format!("the device failed: {error:?}")))
    }
}

fn up_to(last: usize) -> String {
    if last == 0 { "wgpu:0 alone".into() } else { format!("wgpu:0 to wgpu:{last}") }
}

/// Why there is no working device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no adapter at all.
    #[error("this machine has no wgpu adapter: install a Vulkan driver, or use --device cpu")]
    NoAdapter,
    /// There is none of this number.
    #[error("there is no device wgpu:{index}: this machine has {}; see `hearth devices`", up_to(*last))]
    NoSuchAdapter {
        /// Number that was asked for.
        index: usize,
        /// Highest number there is.
        last: usize,
    },
    /// The adapter lacks what is needed, or its driver opens no device on it.
    #[error("wgpu:{index} {adapter}: {reason}")]
    Refused {
        /// Number of the adapter.
        index: usize,
        /// Its name, the backend and its kind.
        adapter: String,
        /// What it lacks, or what its driver said.
        reason: String,
    },
    /// It failed where its work was done or read.
    #[error("{reason}")]
    Failed {
        /// What it said, or what was seen of it.
        reason: String,
    },
}

impl DeviceError {
    pub(crate) fn failed(reason: String) -> Self {
        Self::Failed { reason }
    }
}

fn times(before: u64) -> String {
    match before {
        0 => String::new(),
        before => format!("; it was lost {before} times before"),
    }
}

#[cfg(test)]
mod tests {
    use std::{error::Error, io};

    use super::*;

    #[test]
    fn devices_that_there_are_are_named() {
        let message = |last| DeviceError::NoSuchAdapter { index: 9, last }.to_string();
        assert_eq!(message(0), "there is no device wgpu:9: this machine has wgpu:0 alone; see `hearth devices`");
        assert!(message(2).contains("has wgpu:0 to wgpu:2;"));
    }

    /// Programs print an error with its sources: what stands in the sentence must not come again.
    #[test]
    fn a_cause_is_said_once() {
        let cause = || io::Error::other("no such place");
        let io = TrainError::Io { action: "reading", path: "a".into(), cause: cause() };
        let data = TrainError::from(DataError::Unreadable { path: "a".into(), cause: cause() });
        let model = TrainError::from(ModelError::Io { path: "a".into(), cause: cause() });
        for error in [io, data, model] {
            assert!(error.to_string().contains("no such place"));
            assert!(error.source().is_none_or(|source| !source.to_string().contains("no such place")), "{error}");
        }
    }
}
