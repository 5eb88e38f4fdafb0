//! Models that others have published, in the place of a run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use hearth_data::Tokenizer;
use hearth_model::weights::{PeftAdapter, Published};
use serde_json::Value;

use super::trained_model::TrainedModel;
use crate::{TrainConfig, TrainError, base::beside};

/// Whether there is a published model at `path`: a file of GGUF, or a folder as Hugging Face's library has them.
pub(super) fn is_published(path: &Path) -> bool {
    let is_gguf = || path.extension().is_some_and(|it| it.eq_ignore_ascii_case("gguf"));
    let has_config = || path.join("config.json").exists() || PeftAdapter::is_at(path);
    if path.is_dir() { has_config() && !path.join("config.toml").exists() } else { is_gguf() }
}

/// The model and its tokenizer, on `device`.
///
/// # Errors
/// An architecture or a tokenizer that Hearth does not know, and files that are missing or broken.
pub(super) fn load(path: &Path, device: &Device) -> Result<TrainedModel, TrainError> {
    let published = Published::open(path)?;
    let tokenizer = Tokenizer::from_file(path)?;
    let (ids, rows) = (tokenizer.vocab_size(), published.config().vocab_size);
    if ids > rows {
        return Err(TrainError::Config {
            source_name: path.display().to_string(),
            reason: format!("the tokenizer has {ids} ids and the model {rows}: they do not belong together"),
        });
    }
    let model = published.load(published.config(), device)?;
    let first = first_token(path, &tokenizer);
    Ok(TrainedModel { config: TrainConfig::new(published.config().clone()), tokenizer, model, first, note: None })
}

/// Where the tokenizer, the template of chats and the sampling of the model at `path` are told: there, or at the published model that it
/// came from, beside which an adapter is or with which a run began.
pub fn told_at(path: &Path) -> PathBuf {
    let mut place = path.to_path_buf();
    // A run may have begun with a run.
    for _ in 0..MOST_RUNS {
        let has_template = [Some(&*place), place.parent()].into_iter().flatten();
        let has_template = has_template.into_iter().any(|folder| folder.join("chat_template.jinja").exists());
        let from = if PeftAdapter::is_at(&place) {
            PeftAdapter::open(&place).ok().and_then(|adapter| beside(&place, &adapter).ok())
        } else if is_published(&place) || has_template {
            return place;
        } else {
            TrainConfig::read(&place.join("config.toml"), &[]).ok().and_then(|config| config.from)
        };
        match from {
            Some(from) => place = from,
            None => break,
        }
    }
    path.into()
}

/// Runs that began with one another, at most: two could name each other.
const MOST_RUNS: usize = 16;

/// The token that every text begins with, if there is one.
pub(super) fn first_token(path: &Path, tokenizer: &Tokenizer) -> Option<u32> {
    if !path.is_dir() {
        let file = hearth_gguf::Gguf::open(path).ok()?;
        let is_wanted = match file.metadata("tokenizer.ggml.add_bos_token") {
            Some(_) => file.get_bool("tokenizer.ggml.add_bos_token").ok()?,
            None => file.get_str("tokenizer.ggml.model").ok()? == "llama",
        };
        let id = file.get_u64("tokenizer.ggml.bos_token_id").ok()?;
        return u32::try_from(id).ok().filter(|_| is_wanted);
    }
    let json = |name: &str| -> Option<Value> { serde_json::from_str(&fs::read_to_string(path.join(name)).ok()?).ok() };
    let named = json("tokenizer.json").and_then(|it| first_of(&it["post_processor"])).or_else(|| {
        let config = json("tokenizer_config.json")?;
        let token = &config["bos_token"];
        let name = token.as_str().or_else(|| token["content"].as_str())?.to_string();
        (config["add_bos_token"] == true).then_some(name)
    });
    tokenizer.id_of(&named?)
}

/// What a post-processor of Hugging Face's puts before a text.
fn first_of(processor: &Value) -> Option<String> {
    if let Some(several) = processor["processors"].as_array() {
        return several.iter().find_map(first_of);
    }
    Some(processor["single"][0]["SpecialToken"]["id"].as_str()?.to_string())
}
