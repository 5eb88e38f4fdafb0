//! Tokenizers as Hugging Face's `tokenizer.json` describes them, by the `tokenizers` crate.

mod added;
mod check;
mod components;
mod lone;
mod lower;
mod missing_bytes;
mod normalizers;
mod pipeline;
mod scores;
mod splitter;
mod stages;

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, value::RawValue};

pub(super) use self::check::MAX_VOCABULARY;
use self::lower::Lowered;
use self::pipeline::Pipeline;
use super::fault::{broken, damaged, unread};
use super::place::{Place, Specials};
use crate::contained::contained;
use crate::{DataError, TokenizerError};

/// A tokenizer as Hugging Face's `tokenizer.json` describes it: BPE, WordPiece, Unigram or WordLevel. A clone is cheap and
/// shares the tables; any number of threads can encode with one.
#[derive(Clone, Deserialize)]
#[serde(try_from = "Saved")]
pub struct JsonTokenizer {
    pipeline: Arc<Pipeline>,
    /// The tables in canonical form: what is saved, hashed and compared.
    json: Arc<RawValue>,
    /// Pre-tokenizers that the canonical form cannot have.
    stages: Arc<[Value]>,
    vocab_size: usize,
    end_of_text: Option<u32>,
    /// The token that ends a document, where it is not the one that its name tells.
    named_end: Option<String>,
}

#[derive(Deserialize)]
struct Saved {
    tokenizer: Value,
    #[serde(default)]
    pre_tokenizers: Vec<Value>,
    #[serde(default)]
    end_of_text: Option<String>,
}

impl JsonTokenizer {
    /// The tokenizer of a `tokenizer.json` of any version.
    pub(super) fn from_json(json: Value) -> Result<Self, DataError> {
        let Lowered { json, stages } = lower::lowered(json)?;
        Self::of(json, stages)
    }

    fn of(mut json: Value, stages: Vec<Value>) -> Result<Self, DataError> {
        let made_up = missing_bytes::complete(&mut json)?;
        added::keep_ids(&mut json)?;
        let largest = check::largest_id(&json)? - made_up.len();
        // It fails to hash some small vocabularies.
        let read = contained(|| tokenizers::from_json(&json.to_string()));
        let tables = read.map_err(broken)?.map_err(unread)?;

        let added = tables.get_added_vocabulary();
        let mut vocab_size = largest + 1;
        for (id, token) in added.get_added_tokens_decoder() {
            let declared = added::declared_id(&json, &token.content);
            if declared.is_some_and(|declared| declared != u64::from(id)) {
                return Err(broken(format!("added token {:?} is not the next id, {id}", token.content)));
            }
            vocab_size = vocab_size.max(id as usize + 1);
        }
        let saved = tokenizers::to_json(&tables).map_err(broken)?;
        let saved = missing_bytes::without(saved, &made_up).map_err(broken)?;
        let saved = scores::as_given(saved, &json).map_err(broken)?;
        let saved = RawValue::from_string(saved).map_err(broken)?.into();
        let pipeline = Arc::new(Pipeline::of(tables, (&json, &stages), vocab_size as u32)?);
        let end_of_text = pipeline.default_end();
        Ok(Self { pipeline, json: saved, stages: stages.into(), vocab_size, end_of_text, named_end: None })
    }

    /// This tokenizer with another token between documents.
    pub(super) fn with_end_of_text(mut self, name: &str) -> Result<Self, DataError> {
        let id = self.id_of(name).ok_or_else(|| TokenizerError::UnknownToken { token: name.to_owned() })?;
        self.named_end = (self.pipeline.default_end() != Some(id)).then(|| name.to_owned());
        self.end_of_text = Some(id);
        Ok(self)
    }

    /// The `tokenizer.json` in canonical form, and the pre-tokenizers that this cannot have.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn canonical(&self) -> (&str, &[Value]) {
        (self.json.get(), &self.stages)
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    pub(super) fn end_of_text(&self) -> Option<u32> {
        self.end_of_text
    }

    /// The id of `token` as `tokenizer.json` spells it.
    pub(super) fn id_of(&self, token: &str) -> Option<u32> {
        let in_model = || (0..self.vocab_size as u32).find(|&id| self.pipeline.token(id).as_deref() == Some(token));
        self.pipeline.added_id(token).or_else(in_model)
    }

    /// The token of `id` as `tokenizer.json` spells it; none where the ids have a gap.
    pub(super) fn token(&self, id: u32) -> Option<String> {
        self.pipeline.token(id)
    }

    /// The ids of special tokens, rising.
    pub(super) fn special_ids(&self) -> Vec<u32> {
        self.pipeline.special_ids()
    }

    pub(super) fn encode(&self, text: &str, specials: Specials, place: Place) -> Result<Vec<u32>, DataError> {
        // The tables of a normalizer are believed until a text is looked up in them.
        contained(|| self.pipeline.encode(text, specials, place)).map_err(damaged)?
    }

    /// The text of `ids`; those in a gap are left out.
    pub(super) fn decode(&self, ids: &[u32], without_specials: bool) -> Result<String, DataError> {
        let vocab_size = self.vocab_size;
        if let Some(position) = ids.iter().position(|&id| id as usize >= vocab_size) {
            return Err(TokenizerError::UnknownId { id: ids[position], position, vocab_size }.into());
        }
        contained(|| self.pipeline.decode(ids, without_specials)).map_err(damaged)?
    }
}

impl TryFrom<Saved> for JsonTokenizer {
    type Error = DataError;

    fn try_from(saved: Saved) -> Result<Self, DataError> {
        let Lowered { json, stages } = lower::lowered(saved.tokenizer)?;
        let stages = if saved.pre_tokenizers.is_empty() { stages } else { saved.pre_tokenizers };
        let tokenizer = Self::of(json, stages)?;
        match saved.end_of_text {
            Some(name) => tokenizer.with_end_of_text(&name),
            None => Ok(tokenizer),
        }
    }
}

impl Serialize for JsonTokenizer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = 1 + usize::from(self.named_end.is_some()) + usize::from(!self.stages.is_empty());
        let mut saved = serializer.serialize_struct("JsonTokenizer", fields)?;
        saved.serialize_field("tokenizer", &*self.json)?;
        // As `end_of_text`, left out where it says nothing.
        match self.stages.is_empty() {
            true => saved.skip_field("pre_tokenizers")?,
            false => saved.serialize_field("pre_tokenizers", &*self.stages)?,
        }
        match &self.named_end {
            // Left out where the name tells it, so that the hashes of tokenizers saved before stay.
            None => saved.skip_field("end_of_text")?,
            Some(name) => saved.serialize_field("end_of_text", name)?,
        }
        saved.end()
    }
}

impl PartialEq for JsonTokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get() && self.stages == other.stages && self.named_end == other.named_end
    }
}

impl Eq for JsonTokenizer {}

impl fmt::Debug for JsonTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { vocab_size, end_of_text, .. } = self;
        f.debug_struct("JsonTokenizer")
            .field("vocab_size", vocab_size)
            .field("end_of_text", end_of_text)
            .finish_non_exhaustive()
    }
}
