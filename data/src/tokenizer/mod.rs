//! Text to token ids and back.

#[cfg(feature = "tokenizers")]
mod byte_level;
mod char;
mod encode;
#[cfg(feature = "tokenizers")]
mod end_of_text;
#[cfg(all(feature = "tokenizers", not(target_family = "wasm")))]
mod export;
#[cfg(feature = "tokenizers")]
mod fault;
#[cfg(feature = "tokenizers")]
mod file;
#[cfg(feature = "tokenizers")]
mod hf;
mod kind;
#[cfg(not(feature = "tokenizers"))]
mod no_json;
#[cfg(feature = "tokenizers")]
mod patterns;
mod place;
mod saved;
mod text_stream;
#[cfg(feature = "tokenizers")]
mod train;
#[cfg(all(feature = "tokenizers", not(target_family = "wasm")))]
mod words;

use serde::{Deserialize, Serialize};

pub use self::char::CharTokenizer;
#[cfg(feature = "tokenizers")]
pub use self::file::TokenizerOptions;
#[cfg(feature = "tokenizers")]
pub use self::hf::JsonTokenizer;
pub use self::kind::TokenizerKind;
#[cfg(not(feature = "tokenizers"))]
pub use self::no_json::JsonTokenizer;
pub use self::text_stream::TextStream;
use crate::{DataError, TokenizerError};

/// Turns text into ids `0..vocab_size` and back. Saved beside a run's checkpoints, as JSON
/// `{"kind":"byte"}`, `{"kind":"char","characters":"..."}` or `{"kind":"bpe","tokenizer":{...}}`, where
/// `tokenizer` is a Hugging Face `tokenizer.json`, of whichever model; `"end_of_text":"..."` is there where its name alone
/// does not tell which token stands between documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Tokenizer {
    /// Each UTF-8 byte is its own id.
    Byte,
    /// Each known character has an id.
    Char(CharTokenizer),
    /// What a `tokenizer.json` describes.
    // The name that it has had since it could be BPE alone.
    #[serde(rename = "bpe")]
    Json(JsonTokenizer),
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
    #[cfg(feature = "tokenizers")]
    pub fn train_bpe(texts: impl Iterator<Item = String> + Send, vocab_size: usize) -> Result<Self, DataError> {
        JsonTokenizer::from_json(train::train(texts, vocab_size)?).map(Self::Json)
    }

    /// This tokenizer with the token named `name` between documents.
    ///
    /// # Errors
    /// When it has no such token.
    pub fn with_end_of_text(self, name: &str) -> Result<Self, DataError> {
        match self {
            Self::Byte | Self::Char(_) => Err(TokenizerError::UnknownToken { token: name.to_owned() }.into()),
            Self::Json(tokenizer) => tokenizer.with_end_of_text(name).map(Self::Json),
        }
    }

    /// Number of ids, the `V` of a model's embedding: the largest id and one.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::Byte => 256,
            Self::Char(tokenizer) => tokenizer.vocab_size(),
            Self::Json(tokenizer) => tokenizer.vocab_size(),
        }
    }

    /// The id that stands between documents, where the vocabulary has one.
    pub fn end_of_text(&self) -> Option<u32> {
        match self {
            Self::Byte | Self::Char(_) => None,
            Self::Json(tokenizer) => tokenizer.end_of_text(),
        }
    }

    /// The id of the token that its file spells `token`: for one of a byte-level vocabulary, in GPT-2's alphabet.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        match self {
            Self::Json(tokenizer) => tokenizer.id_of(token),
            // One byte or one character is a token.
            Self::Byte | Self::Char(_) => self.encode(token).ok().filter(|ids| ids.len() == 1).map(|ids| ids[0]),
        }
    }

    /// Whether `id` stands for a token. Below the vocabulary's size that is not so where ids have gaps.
    pub fn is_known(&self, id: u32) -> bool {
        match self {
            Self::Byte | Self::Char(_) => (id as usize) < self.vocab_size(),
            Self::Json(tokenizer) => tokenizer.token(id).is_some(),
        }
    }

    /// The ids of special tokens, as those between documents and between the turns of a chat; rising.
    pub fn special_ids(&self) -> Vec<u32> {
        match self {
            Self::Byte | Self::Char(_) => Vec::new(),
            Self::Json(tokenizer) => tokenizer.special_ids(),
        }
    }

    /// Names the tokenizer: BLAKE3 of its saved JSON, the same in every process and on every platform.
    pub fn hash(&self) -> [u8; 32] {
        let saved = serde_json::to_vec(self).expect("a tokenizer has a JSON form");
        blake3::hash(&saved).into()
    }
}
