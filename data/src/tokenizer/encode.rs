//! Encoding and decoding.

use super::Tokenizer;
use super::place::{Place, Specials};
use crate::{DataError, TokenizerError};

/// Bytes on each side of a cut that are encoded to see whether it changes tokens; words are much shorter.
const CONTEXT: usize = 256;

impl Tokenizer {
    /// The ids of `text`. The name of a special token in it is text like any other.
    ///
    /// # Errors
    /// When a character of `text` is not in a character tokenizer's vocabulary, or a word not in that of a tokenizer which
    /// has no token for what is unknown.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode_as(text, Specials::AsText, Place::Start)
    }

    /// The ids of `text`, in which the name of a special token is that token.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode_as(text, Specials::AsIds, Place::Start)
    }

    /// The ids of `text` that goes on from an earlier piece of its document: it gets none of the spaces that some tokenizers
    /// put before what opens one.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_rest(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode_as(text, Specials::AsText, Place::Rest)
    }

    /// Whether a document may be cut between `before` and `after`: whether the ids of `before`, and those that
    /// [`encode_rest`](Self::encode_rest) gives of `after`, are those of both together.
    ///
    /// That is seen in a few hundred bytes around the cut. Good places are behind a newline, and for tokenizers that read
    /// it as a space, before it; a tokenizer that takes a whole text for one word may have none.
    pub fn may_cut(&self, before: &str, after: &str) -> bool {
        let before = &before[before.ceil_char_boundary(before.len().saturating_sub(CONTEXT))..];
        let after = &after[..after.floor_char_boundary(CONTEXT)];
        let encode = |text: &str| self.encode_rest(text).ok();
        match (self, encode(before), encode(after)) {
            (Self::Byte | Self::Char(_), ..) => true,
            (_, Some(before_ids), Some(after_ids)) => {
                encode(&[before, after].concat()).is_some_and(|whole| whole == [before_ids, after_ids].concat())
            }
            _ => false,
        }
    }

    /// The text of `ids`, special tokens by their names. A model may emit bytes that are not UTF-8: U+FFFD stands
    /// in their place. Ids in a gap of the vocabulary are left out.
    ///
    /// # Errors
    /// When an id is outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        self.decode_as(ids, false)
    }

    /// As [`decode`](Self::decode), but special tokens are left out where `without_specials` is set.
    pub(super) fn decode_as(&self, ids: &[u32], without_specials: bool) -> Result<String, DataError> {
        match self {
            Self::Byte => decode_bytes(ids),
            Self::Char(tokenizer) => tokenizer.decode(ids),
            Self::Json(tokenizer) => tokenizer.decode(ids, without_specials),
        }
    }

    fn encode_as(&self, text: &str, specials: Specials, place: Place) -> Result<Vec<u32>, DataError> {
        match self {
            Self::Byte => Ok(text.bytes().map(u32::from).collect()),
            Self::Char(tokenizer) => tokenizer.encode(text),
            Self::Json(tokenizer) => tokenizer.encode(text, specials, place),
        }
    }
}

fn decode_bytes(ids: &[u32]) -> Result<String, DataError> {
    let byte_of = |(position, &id): (usize, &u32)| {
        u8::try_from(id).map_err(|_| TokenizerError::UnknownId { id, position, vocab_size: 256 })
    };
    let bytes: Vec<u8> = ids.iter().enumerate().map(byte_of).collect::<Result<_, _>>()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
