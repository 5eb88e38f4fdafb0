//! Byte pair encoding, by the `tokenizers` crate.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use tokenizers::pipeline::{EncodeOptions, Override, PipelineTokenizer};

use super::byte_level::END_OF_TEXT;
use super::check;
use super::fault::broken;
use crate::DataError;

/// What families of models call the token between documents.
const ENDS_OF_TEXT: [&str; 4] = [END_OF_TEXT, "<|end_of_text|>", "</s>", "<eos>"];

/// A BPE tokenizer as Hugging Face's `tokenizer.json` describes it. A clone is cheap and shares the tables; any
/// number of threads can encode with one.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Saved")]
pub struct BpeTokenizer {
    tables: PipelineTokenizer,
    /// The tables in canonical form: what is saved, hashed and compared.
    json: Arc<RawValue>,
    vocab_size: usize,
    end_of_text: Option<u32>,
}

#[derive(Deserialize)]
struct Saved {
    tokenizer: Value,
}

impl BpeTokenizer {
    /// The tokenizer of a `tokenizer.json` of any version.
    pub(super) fn from_json(mut json: Value) -> Result<Self, DataError> {
        tokenizers::canonicalize_value(&mut json).map_err(broken)?;
        let largest = check::largest_id(&json)?;
        let tables = tokenizers::from_json(&json.to_string()).map_err(broken)?;

        let added = tables.get_added_vocabulary();
        let mut vocab_size = largest + 1;
        for (id, token) in added.get_added_tokens_decoder() {
            let declared = declared_id(&json, &token.content);
            if declared.is_some_and(|declared| declared != u64::from(id)) {
                return Err(broken(format!("added token {:?} is not the next id, {id}", token.content)));
            }
            vocab_size = vocab_size.max(id as usize + 1);
        }
        let end_of_text = ENDS_OF_TEXT.iter().find_map(|name| added.token_to_id(name));

        let json = tokenizers::to_json(&tables).map_err(broken)?;
        let json = RawValue::from_string(json).map_err(broken)?.into();
        let tokenizer = Self { tables, json, vocab_size, end_of_text };
        // A pattern that no built-in splitter knows is found out only where it is used.
        tokenizer.encode("a 1\n")?;
        Ok(tokenizer)
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    pub(super) fn end_of_text(&self) -> Option<u32> {
        self.end_of_text
    }

    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let options = EncodeOptions {
            add_special_tokens: false,
            encode_special_tokens: true,
            padding: Override::Off,
            truncation: Override::Off,
        };
        let mut ids = Vec::with_capacity(text.len() / 3);
        self.tables.encode_into(text, &options, &mut ids).map_err(broken)?;
        Ok(ids.into_iter().map(u32::from).collect())
    }

    pub(super) fn decode(&self, ids: &[u32]) -> Result<String, DataError> {
        let vocab_size = self.vocab_size;
        if let Some(position) = ids.iter().position(|&id| id as usize >= vocab_size) {
            return Err(DataError::UnknownId { id: ids[position], position, vocab_size });
        }
        self.tables.decode(ids, false).map_err(broken)
    }
}

/// The id that `json` gives the added token `content`.
fn declared_id(json: &Value, content: &str) -> Option<u64> {
    json["added_tokens"].as_array()?.iter().find(|token| token["content"] == content)?["id"].as_u64()
}

impl TryFrom<Saved> for BpeTokenizer {
    type Error = DataError;

    fn try_from(saved: Saved) -> Result<Self, DataError> {
        Self::from_json(saved.tokenizer)
    }
}

impl Serialize for BpeTokenizer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut saved = serializer.serialize_struct("BpeTokenizer", 1)?;
        saved.serialize_field("tokenizer", &*self.json)?;
        saved.end()
    }
}

impl PartialEq for BpeTokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get()
    }
}

impl Eq for BpeTokenizer {}

impl fmt::Debug for BpeTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vocab_size, end_of_text, .. } = self;
        f.debug_struct("BpeTokenizer")
            .field("vocab_size", vocab_size)
            .field("end_of_text", end_of_text)
            .finish_non_exhaustive()
    }
}
