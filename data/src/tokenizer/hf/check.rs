//! What must hold of a `tokenizer.json` before the `tokenizers` crate, which trusts its tables, builds them.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::DataError;
use crate::tokenizer::fault::broken;

/// No vocabulary in use has a tenth of this; ids are indices into tables, so a wild one would ask for gigabytes.
pub(in crate::tokenizer) const MAX_VOCABULARY: usize = 1 << 22;
/// Most bytes of a token's UTF-8, which the tables count in 16 bits.
const MAX_TOKEN_BYTES: usize = u16::MAX as usize;

/// Checks the model of a canonical `tokenizer.json` and returns its largest id.
///
/// # Errors
/// When an id is too large or there twice, or a merge makes no token.
pub(super) fn largest_id(tokenizer: &Value) -> Result<usize, DataError> {
    let model = &tokenizer["model"];
    let largest = match (&model["vocab"], model["type"] == "Unigram") {
        (Value::Array(pieces), true) => check_pieces(pieces)?,
        (Value::Object(vocabulary), false) => check_vocabulary(vocabulary)?,
        _ => return Err(broken("`vocab` is not what its model needs: a list for Unigram, an object for others")),
    };
    if model["type"] == "BPE" {
        check_merges(model)?;
    }
    for added in tokenizer["added_tokens"].as_array().into_iter().flatten() {
        check_token(added["content"].as_str().unwrap_or_default(), &added["id"])?;
    }
    Ok(largest)
}

/// Unigram's list of tokens and scores, in which a place is an id.
fn check_pieces(pieces: &[Value]) -> Result<usize, DataError> {
    for (id, piece) in pieces.iter().enumerate() {
        match (piece[0].as_str(), piece[1].as_f64()) {
            (Some(""), _) => return Err(broken(format!("the token of id {id} is empty"))),
            (Some(token), Some(_)) => check_token(token, &Value::from(id))?,
            _ => return Err(broken(format!("entry {id} of `vocab` is no token with its score"))),
        };
    }
    pieces.len().checked_sub(1).ok_or_else(|| broken("`vocab` is empty"))
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

fn check_merges(model: &Value) -> Result<(), DataError> {
    let vocabulary = model["vocab"].as_object().ok_or_else(|| broken("`vocab` is not an object"))?;
    let prefix = model["continuing_subword_prefix"].as_str().unwrap_or_default();
    for merge in model["merges"].as_array().ok_or_else(|| broken("`merges` is not a list"))? {
        let halves = merge[0].as_str().zip(merge[1].as_str().and_then(|right| right.strip_prefix(prefix)));
        if !halves.is_some_and(|(left, right)| vocabulary.contains_key(&[left, right].concat())) {
            return Err(broken(format!("the merge {merge} makes no token of `vocab`")));
        }
    }
    Ok(())
}
