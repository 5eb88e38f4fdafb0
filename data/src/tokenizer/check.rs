//! What must hold of a `tokenizer.json` before the `tokenizers` crate, which trusts its tables, builds them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::fault::broken;
use crate::DataError;

/// No vocabulary in use has a tenth of this; ids are indices into tables, so a wild one would ask for gigabytes.
pub(super) const MAX_VOCABULARY: usize = 1 << 22;
/// Most bytes of a token's UTF-8, which the tables count in 16 bits.
const MAX_TOKEN_BYTES: usize = u16::MAX as usize;

/// Checks the model of a canonical `tokenizer.json` and returns its largest id.
///
/// # Errors
/// When it is not BPE, an id is too large or there twice, or a merge makes no token.
pub(super) fn largest_id(tokenizer: &Value) -> Result<usize, DataError> {
    let model = &tokenizer["model"];
    match model["type"].as_str() {
        Some("BPE") => {}
        other => return Err(broken(format!("its model is {}, not BPE", other.unwrap_or("untyped")))),
    }
    if model["continuing_subword_prefix"].as_str().is_some_and(|prefix| !prefix.is_empty()) {
        return Err(broken("its `continuing_subword_prefix` is not supported"));
    }
    let vocabulary = model["vocab"].as_object().ok_or_else(|| broken("`vocab` is not an object"))?;
    let largest = check_vocabulary(vocabulary)?;
    for merge in model["merges"].as_array().ok_or_else(|| broken("`merges` is not a list"))? {
        check_merge(merge, vocabulary)?;
    }
    for added in tokenizer["added_tokens"].as_array().into_iter().flatten() {
        check_token(added["content"].as_str().unwrap_or_default(), &added["id"])?;
    }
    Ok(largest)
}

fn check_vocabulary(vocabulary: &Map<String, Value>) -> Result<usize, DataError> {
    let mut ids = HashSet::with_capacity(vocabulary.len());
    for (token, id) in vocabulary {
        let id = check_token(token, id)?;
        if !ids.insert(id) {
            return Err(broken(format!("id {id} stands for more than one token, {token:?} among them")));
        }
    }
    ids.into_iter().max().ok_or_else(|| broken("`vocab` is empty"))
}

fn check_token(token: &str, id: &Value) -> Result<usize, DataError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(broken(format!("a token has {} bytes, more than {MAX_TOKEN_BYTES}", token.len())));
    }
    let in_range = id.as_u64().and_then(|id| usize::try_from(id).ok()).filter(|&id| id < MAX_VOCABULARY);
    in_range.ok_or_else(|| broken(format!("the id of {token:?} is {id}, not a number below {MAX_VOCABULARY}")))
}

fn check_merge(merge: &Value, vocabulary: &Map<String, Value>) -> Result<(), DataError> {
    match (merge[0].as_str(), merge[1].as_str()) {
        (Some(left), Some(right)) if vocabulary.contains_key(&[left, right].concat()) => Ok(()),
        _ => Err(broken(format!("the merge {merge} makes no token of `vocab`"))),
    }
}
