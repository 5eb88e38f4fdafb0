//! One id for each distinct character of the training text.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{DataError, TokenizerError};

/// A character-level tokenizer: id `i` is the `i`-th of the known characters in code point order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct CharTokenizer {
    /// Strictly rising, never empty.
    characters: Vec<char>,
}

/// How a [`CharTokenizer`] is saved: its characters as one string.
#[derive(Serialize, Deserialize)]
struct Saved {
    characters: String,
}

impl CharTokenizer {
    /// The tokenizer of the distinct characters of `text`.
    pub(crate) fn of(text: &str) -> Result<Self, DataError> {
        let distinct: BTreeSet<char> = text.chars().collect();
        Self::from_sorted(distinct.into_iter().collect())
    }

    fn from_sorted(characters: Vec<char>) -> Result<Self, DataError> {
        if characters.is_empty() {
            return Err(TokenizerError::EmptyVocabulary.into());
        }
        match characters.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(TokenizerError::UnsortedVocabulary { previous: pair[0], next: pair[1] }.into()),
            None => Ok(Self { characters }),
        }
    }

    pub(crate) fn vocab_size(&self) -> usize {
        self.characters.len()
    }

    /// The characters in the order of their ids.
    #[cfg(all(feature = "tokenizers", not(target_family = "wasm")))]
    pub(super) fn characters(&self) -> &[char] {
        &self.characters
    }

    pub(crate) fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let id_of = |(char_position, (byte_position, character)): (usize, (usize, char))| {
            self.characters
                .binary_search(&character)
                .map(|id| id as u32) // there are fewer code points than u32s
                .map_err(|_| TokenizerError::UnknownCharacter { character, char_position, byte_position }.into())
        };
        text.char_indices().enumerate().map(id_of).collect()
    }

    pub(crate) fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        let character_of = |(position, &id): (usize, &u32)| {
            self.characters
                .get(id as usize)
                .ok_or_else(|| TokenizerError::UnknownId { id, position, vocab_size: self.vocab_size() }.into())
        };
        ids.iter().enumerate().map(character_of).collect()
    }
}

impl TryFrom<Saved> for CharTokenizer {
    type Error = DataError;

    fn try_from(saved: Saved) -> Result<Self, DataError> {
        Self::from_sorted(saved.characters.chars().collect())
    }
}

impl From<CharTokenizer> for Saved {
    fn from(tokenizer: CharTokenizer) -> Self {
        Self { characters: tokenizer.characters.into_iter().collect() }
    }
}
