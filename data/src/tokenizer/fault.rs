//! What is wrong with a BPE tokenizer.

use std::fmt::Display;

use crate::DataError;

/// The error of a tokenizer whose parts do not fit together; `reason` is a clause.
pub(super) fn broken(reason: impl Display) -> DataError {
    DataError::BrokenBpe { reason: reason.to_string() }
}
