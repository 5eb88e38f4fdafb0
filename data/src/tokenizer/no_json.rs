//! In place of `hf` without the feature `tokenizers`: no tokenizer is of this kind.

use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};

use super::place::{Place, Specials};
use crate::{DataError, TokenizerError};

/// A tokenizer as Hugging Face's `tokenizer.json` describes it: there is none without the feature `tokenizers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum JsonTokenizer {}

impl JsonTokenizer {
    pub(super) fn with_end_of_text(self, _name: &str) -> Result<Self, DataError> {
        match self {}
    }

    pub(super) fn vocab_size(&self) -> usize {
        match *self {}
    }

    pub(super) fn end_of_text(&self) -> Option<u32> {
        match *self {}
    }

    pub(super) fn id_of(&self, _token: &str) -> Option<u32> {
        match *self {}
    }

    pub(super) fn token(&self, _id: u32) -> Option<String> {
        match *self {}
    }

    pub(super) fn special_ids(&self) -> Vec<u32> {
        match *self {}
    }

    pub(super) fn encode(&self, _text: &str, _specials: Specials, _place: Place) -> Result<Vec<u32>, DataError> {
        match *self {}
    }

    pub(super) fn decode(&self, _ids: &[u32], _without_specials: bool) -> Result<String, DataError> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for JsonTokenizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        Err(D::Error::custom(TokenizerError::NotInBuild))
    }
}
