//! The tokenizers that need no file.

use serde::{Deserialize, Serialize};

use super::Tokenizer;
use crate::DataError;

/// Which tokenizer a run builds from its text; in configuration files `"byte"` or `"char"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenizerKind {
    /// The UTF-8 bytes of the text: 256 ids, any text can be encoded.
    Byte,
    /// The distinct characters of the training text.
    Char,
}

impl TokenizerKind {
    /// The tokenizer of this kind for a training text.
    ///
    /// # Errors
    /// When a character tokenizer is built from an empty text.
    pub fn build(self, text: &str) -> Result<Tokenizer, DataError> {
        match self {
            Self::Byte => Ok(Tokenizer::byte()),
            Self::Char => Tokenizer::chars_of(text),
        }
    }
}
