//! `vocab.json` and `merges.txt`: GPT-2's byte-level BPE as OpenAI and Hugging Face saved it before `tokenizer.json`.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::DataError;
use crate::tokenizer::byte_level::{ByteLevelBpe, END_OF_TEXT, added_token, prefix_space};
use crate::tokenizer::fault::broken;
use crate::tokenizer::patterns::{GPT2, QWEN2};

/// The names of the pairs, Hugging Face's and OpenAI's.
const PAIRS: [(&str, &str); 2] = [("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")];

/// Whether the file at `path` has the name of a vocabulary or of merges.
pub(super) fn is_half(path: &Path) -> bool {
    other_half(path).is_some()
}

/// Whether the file at `path` has the name of merges.
pub(super) fn is_merges(path: &Path) -> bool {
    PAIRS.iter().any(|(_, merges)| path.file_name().is_some_and(|name| name == *merges))
}

/// The name of the file that makes a pair with the one at `path`.
pub(super) fn other_half(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?;
    PAIRS.iter().find_map(
        |&(vocabulary, merges)| {
            if name == vocabulary { Some(merges) } else { (name == merges).then_some(vocabulary) }
        },
    )
}

/// The `tokenizer.json` of the two files' content; `folder` is where they lie, and may have `added_tokens.json` and
/// `tokenizer_config.json`. A text is cut into words by `pattern`, or else as the configuration's class does it.
///
/// # Errors
/// When the vocabulary is no object of ids, or one whose words end in `</w>`, or a line of the merges has no two tokens.
pub(super) fn parse(vocabulary: &str, merges: &str, folder: &Path, pattern: Option<&str>) -> Result<Value, DataError> {
    let vocabulary = ids_by_token(vocabulary)?;
    if vocabulary.iter().any(|(token, _)| token == "e</w>") {
        return Err(broken(
            "its words end in `</w>`, as those of CLIP and GPT-1, which only their tokenizer.json describes",
        ));
    }
    let config = object_in(&folder.join("tokenizer_config.json"));
    let class = config.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
    let is_qwen = class.trim_end_matches("Fast") == "Qwen2Tokenizer";
    let end_of_text = vocabulary.iter().find(|(token, _)| token == END_OF_TEXT).cloned();
    let bpe = ByteLevelBpe {
        specials: end_of_text.into_iter().collect(),
        vocabulary,
        merges: halves(merges)?,
        pattern: pattern.unwrap_or(if is_qwen { QWEN2 } else { GPT2 }),
        whole_words: false,
    };
    let mut json = bpe.tokenizer_json();
    let has_prefix = config.get("add_prefix_space") == Some(&Value::Bool(true));
    let normalizers = [is_qwen.then(|| json!({ "type": "NFC" })), has_prefix.then(prefix_space)];
    json["normalizer"] =
        json!({ "type": "Sequence", "normalizers": normalizers.into_iter().flatten().collect::<Vec<_>>() });
    add_tokens(&mut json, &object_in(&folder.join("added_tokens.json")), &config);
    Ok(json)
}

fn halves(merges: &str) -> Result<Vec<(String, String)>, DataError> {
    let lines = merges.lines().zip(1..).filter(|(line, _)| !line.starts_with("#version") && !line.trim().is_empty());
    lines
        .map(|(line, number)| {
            let halves = line.trim_end().split_once(' ').filter(|(_, right)| !right.contains(' '));
            let (left, right) =
                halves.ok_or_else(|| broken(format!("line {number} of its merges is no two tokens")))?;
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect()
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
