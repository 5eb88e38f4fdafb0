//! Where a model's turn ends.

use std::{collections::BTreeSet, path::Path};

use hearth_data::{
    Tokenizer,
    chat::{ChatTemplate, Message},
};
use serde_json::Value;

use super::files::{folders, gguf, is_gguf, json};
use crate::TrainError;

/// What the assistant says in a chat that is rendered to see what stands behind it.
const SAID: &str = "HEARTHSAIDTHIS";

/// The tokens that end a turn of the model at `path`: what its `generation_config.json`, `config.json`, `tokenizer_config.json` or
/// GGUF file name as the end (there may be several), the token between documents, and the special token that the template
/// writes behind the assistant's words.
///
/// # Errors
/// A file that cannot be read.
pub fn turn_ends(path: &Path, tokenizer: &Tokenizer, template: &ChatTemplate) -> Result<Vec<u32>, TrainError> {
    let mut ends: BTreeSet<u32> = tokenizer.end_of_text().into_iter().collect();
    if is_gguf(path) {
        let file = gguf(path)?;
        let named = ["eos", "eot", "eom"].map(|key| file.get_u64(&format!("tokenizer.ggml.{key}_token_id")).ok());
        ends.extend(named.into_iter().flatten().filter_map(|id| u32::try_from(id).ok()));
    } else {
        for folder in folders(path) {
            for name in ["generation_config.json", "config.json"] {
                ends.extend(ids(&json(&folder.join(name))?["eos_token_id"]));
            }
            let token = &json(&folder.join("tokenizer_config.json"))?["eos_token"];
            ends.extend(token.as_str().or_else(|| token["content"].as_str()).and_then(|name| tokenizer.id_of(name)));
        }
    }
    ends.extend(by_template(tokenizer, template));
    Ok(ends.into_iter().filter(|id| tokenizer.is_known(*id)).collect())
}

/// One id, or a list.
fn ids(value: &Value) -> impl Iterator<Item = u32> {
    let list = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    list.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok())
}

/// The special token behind what the assistant says.
fn by_template(tokenizer: &Tokenizer, template: &ChatTemplate) -> Option<u32> {
    let chat = [Message::new("user", "Hello"), Message::new("assistant", SAID)];
    // One that cannot render such a chat says so when there is one.
    let text = template.render(&chat, false).ok()?;
    let behind = text.rsplit_once(SAID)?.1.trim_start();
    let first = *tokenizer.encode_with_special(behind).ok()?.first()?;
    tokenizer.special_ids().binary_search(&first).is_ok().then_some(first)
}
