//! Text of ids that come one by one (placeholder until the merge).

use super::Tokenizer;
use crate::DataError;

/// Text of ids that come one by one.
pub struct TextStream<'a> {
    tokenizer: &'a Tokenizer,
    ids: Vec<u32>,
    shown: usize,
}

impl<'a> TextStream<'a> {
    /// Behind these ids.
    pub fn after(tokenizer: &'a Tokenizer, prompt: &[u32]) -> Self {
        let shown = tokenizer.decode(prompt).map_or(0, |text| text.len());
        Self { tokenizer, ids: prompt.to_vec(), shown }
    }

    /// What is certain with one more.
    ///
    /// # Errors
    /// An unknown id.
    pub fn push(&mut self, id: u32) -> Result<String, DataError> {
        self.ids.push(id);
        let text = self.tokenizer.decode(&self.ids)?;
        let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        let new = whole.get(self.shown..).unwrap_or_default().to_string();
        self.shown += new.len();
        Ok(new)
    }

    /// The rest.
    pub fn finish(self) -> String {
        let text = self.tokenizer.decode(&self.ids).unwrap_or_default();
        text.get(self.shown..).unwrap_or_default().to_string()
    }
}

impl Tokenizer {
    /// placeholder
    ///
    /// # Errors
    /// As encode.
    pub fn encode_with_special(&self, text: &str) -> Result<Vec<u32>, DataError> {
        self.encode(text)
    }

    /// placeholder
    pub fn is_known(&self, id: u32) -> bool {
        (id as usize) < self.vocab_size()
    }
}
