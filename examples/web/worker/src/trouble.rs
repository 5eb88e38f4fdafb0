//! Errors of the session in words for a page.

use hearth_data::{DataError, TokenizerError};
use hearth_train::{TrainError, error::DeviceError};

use crate::{messages::TroubleKind, platform::DriveError};

/// What kind of trouble an error is.
pub fn kind(error: &TrainError) -> TroubleKind {
    match error {
        TrainError::Config { source_name, .. } if source_name.ends_with("part") => TroubleKind::TextTooShort,
        TrainError::Config { source_name, .. } if source_name == "memory" => TroubleKind::Limit,
        TrainError::Config { .. } | TrainError::Model(_) => TroubleKind::Settings,
        TrainError::Data(DataError::NotUtf8 { .. } | DataError::OtherEncoding { .. } | DataError::EmptyFile { .. }) => {
            TroubleKind::NotText
        }
        TrainError::Data(DataError::Tokenizer(TokenizerError::NotInBuild)) => TroubleKind::LargeModule,
        TrainError::Data(_) => TroubleKind::Settings,
        TrainError::OutOfMemory { .. } => TroubleKind::OutOfMemory,
        TrainError::DeviceLost { .. } | TrainError::Device(DeviceError::Failed { .. }) => TroubleKind::DeviceLost,
        TrainError::Diverged { .. } | TrainError::GoBack { .. } => TroubleKind::Diverged,
        TrainError::Checkpoint(_) | TrainError::Resume { .. } => TroubleKind::BadCheckpoint,
        _ => TroubleKind::Internal,
    }
}

/// An error as a sentence that names no flag of the program.
pub fn words(error: &TrainError) -> String {
    match error {
        TrainError::Config { source_name, reason } if ["settings", "configuration"].contains(&source_name.as_str()) => {
            reason.clone()
        }
        TrainError::Diverged { reason } => {
            format!("{reason}: the run has diverged. Lower the learning rate, or warm up for longer.")
        }
        TrainError::DeviceLost { reason, .. } => format!("the device was lost: {reason}"),
        other => other.to_string(),
    }
}

/// What is wrong with the browser's file system, and what to do.
pub fn of_drive(error: &DriveError) -> (TroubleKind, String) {
    match error.is_full {
        true => (
            TroubleKind::StorageFull,
            format!(
                "The browser has no room for another checkpoint ({}). The one before is kept, and training goes on: free \
                 some space, or take the run home as a zip.",
                error.words
            ),
        ),
        false => (
            TroubleKind::StorageRefused,
            format!(
                "The browser refused to store the checkpoint ({}). Training goes on: take the run home as a zip.",
                error.words
            ),
        ),
    }
}
