//! `vocab.json` and `merges.txt`: GPT-2's byte-level BPE as OpenAI and Hugging Face saved it before `tokenizer.json`.

use std::path::Path;

use serde_json::{Map, Value};

use crate::DataError;
use crate::tokenizer::byte_level::{ByteLevelBpe, END_OF_TEXT, added_token};
use crate::tokenizer::fault::broken;
use crate::tokenizer::patterns::GPT2;

/// The names of the pairs, Hugging Face's and OpenAI's.
pub(super) const PAIRS: [(&str, &str); 2] = [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")];

/// The `tokenizer.json` of the two files' content; `folder` is where they lie, and may have `added_tokens.json` and
/// `tokenizer_config.json`.
///
/// # Errors
/// When the vocabulary is no object of ids, or a line of the merges has no two tokens.
pub(super) fn parse(vocabulary: &str, merges: &str, folder: &Path) -> Result<Value, DataError> {
    let vocabulary = ids_by_token(vocabulary)?;
    let merges = merges.lines().zip(1..).filter(|(line, _)| !line.starts_with("#version") && !line.trim().is_empty());
    let merges: Result<Vec<_>, _> = merges
        .map(|(line, number)| {
            let halves = line.trim_end().split_once(' ').filter(|(_, right)| !right.contains(' '));
            let (left, right) =
                halves.ok_or_else(|| broken(format!("line {number} of its merges is no two tokens")))?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect();
    let end_of_text = vocabulary.iter().find(|(token, _)| token == END_OF_TEXT).cloned();
    let bpe = ByteLevelBpe {
        specials: end_of_text.into_iter().collect(),
        vocabulary,
        merges: merges?,
        pattern: GPT2,
        whole_words: false,
    };
    let mut json = bpe.tokenizer_json();
    let config = object_in(&folder.join("tokenizer_config.json"));
    if config.get("add_prefix_space") == Some(&Value::Bool(true)) {
        json["pre_tokenizer"] = serde_json::json!({ "type": "ByteLevel", "add_prefix_space": true });
    }
    add_tokens(&mut json, &object_in(&folder.join("added_tokens.json")), &config);
    Ok(json)
}

/// Whether `json` is the content of a `vocab.json`: tokens with numbers.
pub(super) fn is_vocabulary(json: &Value) -> bool {
    json.as_object().is_some_and(|tokens| tokens.len() >= 256 && tokens.values().all(Value::is_u64))
}

fn ids_by_token(text: &str) -> Result<Vec<(String, u32)>, DataError> {
    let json: Map<String, Value> = serde_json::from_str(text).map_err(broken)?;
    let id_of = |(token, id): (String, Value)| match id.as_u64().and_then(|id| u32::try_from(id).ok()) {
        Some(id) => Ok((token, id)),
        None => Err(broken(format!("the id of {token:?} is {id}"))),
    };
    json.into_iter().map(id_of).collect()
}

/// The object in a file that need not be there.
fn object_in(path: &Path) -> Map<String, Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// Adds the tokens of `added_tokens.json` (names with ids) and those of a `tokenizer_config.json` (ids with descriptions).
fn add_tokens(json: &mut Value, added: &Map<String, Value>, config: &Map<String, Value>) {
    let Some(tokens) = json["added_tokens"].as_array_mut() else {
        return;
    };
    let mut add = |content: &str, id: u64, special: bool| {
        let is_new = !tokens.iter().any(|token| token["content"] == content);
        if let (true, Ok(id)) = (is_new, u32::try_from(id)) {
            tokens.push(added_token(content, id, special));
        }
    };
    for (id, token) in config.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten() {
        if let (Ok(id), Some(content)) = (id.parse(), token["content"].as_str()) {
            add(content, id, token["special"] != false);
        }
    }
    for (content, id) in added {
        if let Some(id) = id.as_u64() {
            add(content, id, true);
        }
    }
}
