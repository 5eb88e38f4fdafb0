//! Text to token ids and back.

use serde::{Deserialize, Serialize};

use crate::{CharTokenizer, DataError};

/// Which tokenizer a run uses; in configuration files `"byte"` or `"char"`.
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

/// Turns text into ids `0..vocab_size` and back. Saved beside a run's checkpoints, as JSON
/// `{"kind":"byte"}` or `{"kind":"char","characters":"..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Tokenizer {
    /// Each UTF-8 byte is its own id.
    Byte,
    /// Each known character has an id.
    Char(CharTokenizer),
}

impl Tokenizer {
    /// The byte tokenizer.
    pub fn byte() -> Self {
        Self::Byte
    }

    /// The character tokenizer of the distinct characters of `text`, in code point order.
    ///
    /// # Errors
    /// When `text` is empty.
    pub fn chars_of(text: &str) -> Result<Self, DataError> {
        CharTokenizer::of(text).map(Self::Char)
    }

    /// Number of ids, the `V` of a model's embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Byte => 256,
            Self::Char(tokenizer) => tokenizer.vocab_size(),
        }
    }

    /// The ids of `text`: one a byte, or one a character.
    ///
    /// # Errors
    /// When a character of `text` is not in a character tokenizer's vocabulary.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        match self {
            Self::Byte => Ok(text.bytes().map(u32::from).collect()),
            Self::Char(tokenizer) => tokenizer.encode(text),
        }
    }

    /// The text of `ids`. A model may emit bytes that are not UTF-8: the byte tokenizer puts U+FFFD in
    /// their place.
    ///
    /// # Errors
    /// When an id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        match self {
            Self::Byte => decode_bytes(ids),
            Self::Char(tokenizer) => tokenizer.decode(ids),
        }
    }
}

fn decode_bytes(ids: &[u32]) -> Result<String, DataError> {
    let byte_of = |(position, &id): (usize, &u32)| {
        u8::try_from(id).map_err(|_| DataError::UnknownId { id, position, vocab_size: 256 })
    };
    let bytes: Vec<u8> = ids.iter().enumerate().map(byte_of).collect::<Result<_, _>>()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
