//! Pieces of texts to tokens.

use super::Encode;
use super::part::{Part, PartEncoder};
use super::part_tokens::PartTokens;
use crate::DataError;

/// All tokens of texts, and the one between documents.
pub(super) struct Texts<'a, T>(pub &'a T);

impl<T: Encode> PartEncoder for Texts<'_, T> {
    fn encode(&self, part: &Part<String>) -> Result<PartTokens, DataError> {
        let tokenizer = self.0;
        let mut ids = match part.begins_document {
            true => tokenizer.encode(&part.content)?,
            false => tokenizer.encode_rest(&part.content)?,
        };
        ids.extend(tokenizer.end_of_text().filter(|_| part.ends_document));
        let ends = if part.ends_document { vec![ids.len()] } else { Vec::new() };
        Ok(PartTokens { ids, trained: None, ends, row: None })
    }
}
