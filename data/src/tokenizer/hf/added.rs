//! The ids of added tokens.
//!
//! The `tokenizers` crate numbers the added tokens that its model does not know from the size of the vocabulary on. Where
//! ids have gaps, as Phi-4's, that is not what the file says.

use serde_json::{Map, Value};

use crate::DataError;
use crate::tokenizer::byte_level::spell;
use crate::tokenizer::fault::broken;

/// Puts the added tokens of a canonical `json` into its model's vocabulary where they would not get their ids otherwise.
///
/// # Errors
/// When the vocabulary has an added token under another id.
pub(super) fn keep_ids(json: &mut Value) -> Result<(), DataError> {
    let added = by_id(&json["added_tokens"]);
    let Some(vocabulary) = json["model"]["vocab"].as_object_mut() else {
        return Ok(());
    };
    if are_next(&added, vocabulary) {
        return Ok(());
    }
    for (id, token) in &added {
        // A vocabulary that was saved has them spelled as bytes.
        let spelled = spell(token.as_bytes());
        if vocabulary.get(&spelled).and_then(Value::as_u64) == Some(*id) {
            vocabulary.remove(&spelled);
        }
        match vocabulary.get(token).and_then(Value::as_u64) {
            Some(other) if other != *id => {
                return Err(broken(format!("added token {token:?} has id {id}, but {other} in the vocabulary")));
            }
            _ => vocabulary.insert(token.clone(), (*id).into()),
        };
    }
    Ok(())
}

/// The id that `json` gives the added token `content`.
pub(super) fn declared_id(json: &Value, content: &str) -> Option<u64> {
    json["added_tokens"].as_array()?.iter().find(|token| token["content"] == content)?["id"].as_u64()
}

fn by_id(added: &Value) -> Vec<(u64, String)> {
    let id_and_content = |token: &Value| Some((token["id"].as_u64()?, token["content"].as_str()?.to_owned()));
    let mut added: Vec<_> = added.as_array().into_iter().flatten().filter_map(id_and_content).collect();
    added.sort();
    added
}

/// Whether each added token has the id that the crate would give it.
fn are_next(added: &[(u64, String)], vocabulary: &Map<String, Value>) -> bool {
    let mut next = vocabulary.len() as u64;
    added.iter().all(|(id, token)| match vocabulary.get(token).and_then(Value::as_u64) {
        Some(known) => known == *id,
        None => {
            next += 1;
            next == id + 1
        }
    })
}
