//! Tokenizers as they are saved beside checkpoints.

use super::Tokenizer;
use crate::{DataError, TokenizerError};

impl Tokenizer {
    /// The tokenizer that was saved as its JSON.
    ///
    /// # Errors
    /// When it is none, or is described by a file and the feature `tokenizers` is off.
    pub fn from_saved(json: &[u8]) -> Result<Self, DataError> {
        #[cfg(not(feature = "tokenizers"))]
        refuse(json)?;
        let broken = |error: serde_json::Error| TokenizerError::BrokenTokenizer { reason: error.to_string() };
        Ok(serde_json::from_slice(json).map_err(broken)?)
    }

    /// The tokenizer in a file that Hearth saved.
    ///
    /// # Errors
    /// When there is no such file, or it is of another kind.
    #[cfg(not(feature = "tokenizers"))]
    pub fn from_file(path: impl AsRef<std::path::Path>) -> Result<Self, DataError> {
        let refuse = |reason: String| TokenizerError::TokenizerFile { path: path.as_ref().into(), reason };
        Self::from_saved(&std::fs::read(&path).map_err(|error| refuse(error.to_string()))?)
    }
}

/// Refuses what was saved of a tokenizer that a file describes.
#[cfg(not(feature = "tokenizers"))]
fn refuse(saved: &[u8]) -> Result<(), DataError> {
    #[derive(serde::Deserialize)]
    struct Saved {
        kind: String,
    }

    match serde_json::from_slice(saved) {
        Ok(Saved { kind }) if kind == "bpe" => Err(TokenizerError::NotInBuild.into()),
        _ => Ok(()),
    }
}
