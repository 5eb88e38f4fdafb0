//! What is wrong with a tokenizer, or with a text for it.

use std::fmt::Display;

use crate::{DataError, TokenizerError};

/// The error of a tokenizer whose parts do not fit together; `reason` is a clause.
pub(super) fn broken(reason: impl Display) -> DataError {
    TokenizerError::BrokenTokenizer { reason: reason.to_string() }.into()
}

/// The error of a tokenizer that a library panicked at.
pub(super) fn damaged(said: String) -> DataError {
    broken(format!("its file is damaged ({said})"))
}

/// The error of a text that the tokenizer has no ids for; `reason` is a clause.
pub(super) fn unencodable(reason: impl Display) -> DataError {
    TokenizerError::Unencodable { reason: reason.to_string() }.into()
}

/// As [`broken`], of what the reader of `tokenizer.json` says, which speaks of itself and of how it was built.
pub(super) fn unread(error: impl Display) -> DataError {
    let error = error.to_string();
    match error.strip_prefix("the slim JSON reader does not support ") {
        Some(rest) => broken(format!("it has {}, which is not read", rest.split(". ").next().unwrap_or(rest))),
        None => broken(error),
    }
}
