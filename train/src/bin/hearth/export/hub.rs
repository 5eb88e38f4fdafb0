//! What stands beside the weights in a folder of Hugging Face's: tokenizer, generation, model card.

use std::{fs, path::Path};

use anyhow::anyhow;
use hearth_model::weights::Exported;
use serde_json::{Value, json};

use super::{card, source::Source};

/// Files that a published model keeps as they are.
const KEPT: [&str; 11] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
    "LICENSE",
    "LICENSE.txt",
];

/// Writes them into `folder`, and returns what a user should know.
///
/// # Errors
/// A tokenizer that has no such form, a file that cannot be read or written.
pub fn write(source: &Source, made: &Exported, folder: &Path) -> anyhow::Result<Vec<String>> {
    put(folder, "README.md", card::of(source, made).as_bytes())?;
    match source.folder() {
        Some(from) => {
            for name in KEPT.into_iter().filter(|name| from.join(name).is_file()) {
                let bytes =
                    fs::read(from.join(name)).map_err(|cause| anyhow!("{}: {cause}", from.join(name).display()))?;
                put(folder, name, &bytes)?;
            }
        }
        None => tokenizer(source, folder)?,
    }
    Ok(Vec::new())
}

fn tokenizer(source: &Source, folder: &Path) -> anyhow::Result<()> {
    let Some(tokenizer) = &source.tokenizer else { return Ok(()) };
    let text = tokenizer.to_hugging_face(source.first).map_err(|error| {
        anyhow!("the tokenizer has no tokenizer.json of version 1.0: {error}; with --without-tokenizer the weights alone are written")
    })?;
    put(folder, "tokenizer.json", text.as_bytes())?;
    let json: Value = serde_json::from_str(&text)?;
    let name = |id: Option<u32>| -> Option<String> {
        let id = id?;
        let added = json["added_tokens"].as_array()?.iter().find(|token| token["id"] == id);
        added.and_then(|token| Some(token["content"].as_str()?.to_string()))
    };
    let end = tokenizer.end_of_text();
    let mut config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": source.model.config().context_length,
        "clean_up_tokenization_spaces": false,
    });
    for (field, token) in [("eos_token", name(end)), ("bos_token", name(source.first.or(end)))] {
        if let Some(token) = token {
            config[field] = token.into();
        }
    }
    if let Some(template) = source.chat_template() {
        config["chat_template"] = template.into();
    }
    put(folder, "tokenizer_config.json", format!("{config:#}\n").as_bytes())?;
    let generation = json!({ "bos_token_id": source.first.or(end), "eos_token_id": end, "pad_token_id": end });
    put(folder, "generation_config.json", format!("{generation:#}\n").as_bytes())
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(name);
    fs::write(&path, bytes).map_err(|cause| anyhow!("{}: {cause}", path.display()))
}
