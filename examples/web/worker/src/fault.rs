//! The first thing that went wrong with the device for good, which a callback or a log line told.

use std::sync::{Mutex, PoisonError};

use hearth_train::TrainError;

use crate::messages::TroubleKind;

static FIRST: Mutex<Option<(TroubleKind, String)>> = Mutex::new(None);

/// Something went wrong: nothing that is computed from here on can be relied on.
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "in tests nothing does"))]
pub fn report(kind: TroubleKind, words: impl Into<String>) {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| (kind, words.into()));
}

/// What went wrong first.
pub fn first() -> Option<(TroubleKind, String)> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// # Errors
/// Something went wrong.
pub fn check() -> Result<(), TrainError> {
    first().map_or(Ok(()), |(_, reason)| Err(TrainError::DeviceLost { reason, before: 0 }))
}
