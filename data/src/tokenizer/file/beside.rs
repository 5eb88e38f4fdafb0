//! What the files beside a tokenizer say of it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::tokenizer::end_of_text::{ends_a_document, ends_a_turn};
use crate::tokenizer::hf::JsonTokenizer;

/// The token between documents that `generation_config.json` or `tokenizer_config.json` in `folder` names. One that ends a
/// turn of a chat counts only where the vocabulary has none that ends a document.
pub(super) fn end_of_text(folder: &Path, tokenizer: &JsonTokenizer) -> Option<String> {
    let mut ends = in_generation_config(folder, tokenizer);
    ends.extend(in_tokenizer_config(folder, tokenizer));
    let of_documents = ends.iter().position(|name| !ends_a_turn(name));
    match of_documents {
        Some(at) => Some(ends.swap_remove(at)),
        None => {
            let known = tokenizer.end_of_text().and_then(|id| tokenizer.token(id));
            let has_better = known.is_some_and(|name| ends_a_document(&name));
            ends.into_iter().next().filter(|_| !has_better)
        }
    }
}

fn in_generation_config(folder: &Path, tokenizer: &JsonTokenizer) -> Vec<String> {
    let config = json_in(&folder.join("generation_config.json"));
    let ids = match &config["eos_token_id"] {
        Value::Array(ids) => ids.iter().filter_map(Value::as_u64).collect(),
        id => Vec::from_iter(id.as_u64()),
    };
    ids.into_iter().filter_map(|id| tokenizer.token(u32::try_from(id).ok()?)).collect()
}

fn in_tokenizer_config(folder: &Path, tokenizer: &JsonTokenizer) -> Option<String> {
    let config = json_in(&folder.join("tokenizer_config.json"));
    let token = &config["eos_token"];
    let name = token.as_str().or_else(|| token["content"].as_str())?;
    tokenizer.id_of(name).map(|_| name.to_owned())
}

/// The content of a file that need not be there.
fn json_in(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}
