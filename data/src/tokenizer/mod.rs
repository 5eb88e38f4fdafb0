//! Text to token ids and back.

mod bpe;
mod byte_level;
mod char;
mod check;
mod fault;
mod ranks;
mod text_stream;
mod train;

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::bpe::BpeTokenizer;
pub use self::char::CharTokenizer;
use self::fault::broken;
pub use self::text_stream::TextStream;
use crate::{DataError, read_text};

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

/// Turns text into ids `0..vocab_size` and back. Saved beside a run's checkpoints, as JSON
/// `{"kind":"byte"}`, `{"kind":"char","characters":"..."}` or `{"kind":"bpe","tokenizer":{...}}`, where
/// `tokenizer` is a Hugging Face `tokenizer.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Tokenizer {
    /// Each UTF-8 byte is its own id.
    Byte,
    /// Each known character has an id.
    Char(CharTokenizer),
    /// Frequent sequences of bytes or characters have ids.
    Bpe(BpeTokenizer),
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

    /// The byte-level BPE tokenizer learned from `texts`, of at most `vocab_size` ids (at least 257): the bytes,
    /// `<|endoftext|>`, and one for each merge of a pair that occurs more than once. Occurrences are counted in 31
    /// bits: of a corpus beyond some gigabytes, give a sample.
    ///
    /// # Errors
    /// When `vocab_size` is out of range.
    pub fn train_bpe(texts: impl Iterator<Item = String> + Send, vocab_size: usize) -> Result<Self, DataError> {
        BpeTokenizer::from_json(train::train(texts, vocab_size)?).map(Self::Bpe)
    }

    /// The tokenizer in a file, whose content says which of three it is: a tokenizer that Hearth saved, a Hugging
    /// Face `tokenizer.json` with a BPE model, or a tiktoken rank file (lines of `base64 rank`), which is read as
    /// GPT-2's: its word splitting, and `<|endoftext|>` as the id after the last rank.
    ///
    /// # Errors
    /// When the file cannot be read, or is none of these; the error names the file and what is wrong in it.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        Self::parse(&read_text(path)?).map_err(|error| match error {
            DataError::BrokenBpe { reason } => DataError::TokenizerFile { path: path.into(), reason },
            other => other,
        })
    }

    fn parse(text: &str) -> Result<Self, DataError> {
        if !text.trim_start().starts_with('{') {
            return BpeTokenizer::from_json(ranks::parse(text)?).map(Self::Bpe);
        }
        let json: Value = serde_json::from_str(text).map_err(broken)?;
        match json.get("kind") {
            Some(_) => serde_json::from_value(json).map_err(broken),
            None => BpeTokenizer::from_json(json).map(Self::Bpe),
        }
    }

    /// Number of ids, the `V` of a model's embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Byte => 256,
            Self::Char(tokenizer) => tokenizer.vocab_size(),
            Self::Bpe(tokenizer) => tokenizer.vocab_size(),
        }
    }

    /// The id that ends a document, where the vocabulary has one.
    pub fn end_of_text(&self) -> Option<u32> {
        match self {
            Self::Byte | Self::Char(_) => None,
            Self::Bpe(tokenizer) => tokenizer.end_of_text(),
        }
    }

    /// Names the tokenizer: BLAKE3 of its saved JSON, the same in every process and on every platform.
    pub fn hash(&self) -> [u8; 32] {
        let saved = serde_json::to_vec(self).expect("a tokenizer has a JSON form");
        blake3::hash(&saved).into()
    }

    /// The ids of `text`. The name of a special token in it is text like any other.
    ///
    /// # Errors
    /// When a character of `text` is not in a character tokenizer's vocabulary.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        match self {
            Self::Byte => Ok(text.bytes().map(u32::from).collect()),
            Self::Char(tokenizer) => tokenizer.encode(text),
            Self::Bpe(tokenizer) => tokenizer.encode(text),
        }
    }

    /// The text of `ids`, special tokens by their names. A model may emit bytes that are not UTF-8: U+FFFD stands
    /// in their place.
    ///
    /// # Errors
    /// When an id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        match self {
            Self::Byte => decode_bytes(ids),
            Self::Char(tokenizer) => tokenizer.decode(ids),
            Self::Bpe(tokenizer) => tokenizer.decode(ids),
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
