//! The model that is exported, and what is known of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use hearth_data::Tokenizer;
use hearth_gguf::{Gguf, MetadataValue};
use hearth_model::{ParameterCount, Transformer, TransformerConfig, weights::Published};
use hearth_train::run::{RunFolder, RunOverview, is_run, told_at};
use serde_json::Value;

/// A model with its tokenizer.
pub struct Source {
    /// The name of its folder or file.
    pub name: String,
    pub model: Transformer,
    pub tokenizer: Option<Tokenizer>,
    /// What every text begins with.
    pub first: Option<u32>,
    /// Where the weights come from, or what was not found.
    pub note: Option<String>,
    /// The folder or file, where it is a published model.
    pub published: Option<PathBuf>,
    /// The figures, where it is a run.
    pub overview: Option<RunOverview>,
}

impl Source {
    /// The model at `path`: a run, a checkpoint, or a published model, which may be without a tokenizer.
    ///
    /// # Errors
    /// There is no model, or it cannot be read.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let device = Device::flex();
        let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name = if path.is_dir() { full.file_name() } else { full.file_stem() };
        let name = name.map_or("model".into(), |it| it.to_string_lossy().into_owned());
        let is_folder = path.is_dir() && path.join("config.json").exists() && !path.join("config.toml").exists();
        let ends_in = |end: &str| path.extension().is_some_and(|it| it.eq_ignore_ascii_case(end));
        let is_file = path.is_file() && (ends_in("gguf") || ends_in("bin"));
        let lacks_tokenizer = (is_folder || is_file) && Tokenizer::from_file(path).is_err();
        if lacks_tokenizer {
            let published = Published::open(path)?;
            let model = published.load(published.config(), &device)?;
            let reason = Tokenizer::from_file(path).err().map(|error| error.to_string()).unwrap_or_default();
            let note = Some(format!("note: exported without a tokenizer: {reason}"));
            return Ok(Self {
                name,
                model,
                tokenizer: None,
                first: None,
                note,
                published: Some(path.into()),
                overview: None,
            });
        }
        let trained = RunFolder::existing(path.to_owned()).load(&device)?;
        // What it came from tells of the tokenizer, if that is still the same.
        let has_tokenizer = |from: &PathBuf| {
            Tokenizer::from_file(from).is_ok_and(|tokenizer| tokenizer.hash() == trained.tokenizer.hash())
        };
        let origin =
            trained.config.from.as_ref().map(|_| told_at(path)).filter(|from| from != path && has_tokenizer(from));
        let overview = match is_folder || is_file {
            true => None,
            false => [Some(path), path.parent()]
                .into_iter()
                .flatten()
                .find(|it| is_run(it))
                .map(RunOverview::read)
                .transpose()?,
        };
        Ok(Self {
            name,
            model: trained.model,
            tokenizer: Some(trained.tokenizer),
            first: trained.first,
            note: trained.note,
            published: match is_folder || is_file {
                true => Some(path.into()),
                false => origin,
            },
            overview,
        })
    }

    /// Parameters of the model, whose adapters are part of its weights.
    pub fn parameters(&self) -> u64 {
        let plain = TransformerConfig { adapter: None, ..self.model.config().clone() };
        ParameterCount::of(&plain).total as u64
    }

    /// The folder of Hugging Face's that it is.
    pub fn folder(&self) -> Option<&Path> {
        self.published.as_deref().filter(|path| path.is_dir())
    }

    /// The file of GGUF that it is.
    fn gguf(&self) -> Option<Gguf> {
        Gguf::open(self.published.as_deref().filter(|path| path.is_file())?).ok()
    }

    /// What a file of GGUF says of its tokenizer: what one said, or what this tokenizer is to llama.cpp.
    ///
    /// # Errors
    /// A tokenizer that llama.cpp does not have.
    pub fn gguf_tokenizer(&self) -> anyhow::Result<Vec<(String, MetadataValue)>> {
        let Some(tokenizer) = &self.tokenizer else { return Ok(Vec::new()) };
        if let Some(file) = self.gguf() {
            let own = file.metadata_pairs().filter(|(key, _)| key.starts_with("tokenizer."));
            return Ok(own.map(|(key, value)| (key.to_string(), value.clone())).collect());
        }
        let rows = self.model.config().vocab_size;
        let metadata = tokenizer.to_gguf(rows, self.first).map_err(|error| {
            anyhow::anyhow!(
                "the tokenizer is none of llama.cpp's: {error}; with --without-tokenizer the weights alone are written"
            )
        });
        let mut metadata = metadata?;
        metadata.extend(
            self.chat_template().map(|text| ("tokenizer.chat_template".to_string(), MetadataValue::String(text))),
        );
        Ok(metadata)
    }

    /// How turns of a chat are written, where it says so.
    pub fn chat_template(&self) -> Option<String> {
        if let Some(file) = self.gguf() {
            return file.get_str("tokenizer.chat_template").ok().map(String::from);
        }
        let folder = self.folder()?;
        if let Ok(text) = fs::read_to_string(folder.join("chat_template.jinja")) {
            return Some(text);
        }
        let config: Value =
            serde_json::from_str(&fs::read_to_string(folder.join("tokenizer_config.json")).ok()?).ok()?;
        Some(config["chat_template"].as_str()?.to_string())
    }
}
