//! The model whose weights a run begins with: one that somebody has published, or a run's own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use hearth_model::{
    Transformer, TransformerConfig,
    weights::{self, PeftAdapter, Published},
};
use toml::{Table, Value};

use crate::TrainError;

/// A model that is on the disk.
pub enum Base {
    /// A folder of Hugging Face's or a file of GGUF.
    Published(Box<Published>),
    /// A folder of PEFT's, with the model that it is beside.
    Adapted {
        /// The model that the adapters are beside.
        base: Box<Self>,
        /// The adapters.
        adapter: Box<PeftAdapter>,
        /// Both together.
        model: Box<TransformerConfig>,
    },
    /// The folder of a run that came to its end, or a checkpoint's.
    Run {
        /// The folder.
        path: PathBuf,
        /// The model.
        model: Box<TransformerConfig>,
    },
}

impl Base {
    /// Opens the model at `path`, of which nothing but its configuration is read.
    ///
    /// # Errors
    /// Nothing is there that Hearth reads.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        if PeftAdapter::is_at(path) {
            let adapter = PeftAdapter::open(path)?;
            let base = Self::open(&beside(path, &adapter)?)?;
            let own = adapter.config(base.config())?;
            let model = TransformerConfig { adapter: Some(own), ..base.config().clone() };
            return Ok(Self::Adapted { base: base.into(), adapter: adapter.into(), model: model.into() });
        }
        let config = path.join("config.toml");
        if !config.exists() {
            return Ok(Self::Published(Box::new(Published::open(path)?)));
        }
        let wrong = |reason: String| TrainError::Config { source_name: config.display().to_string(), reason };
        let text = std::fs::read_to_string(&config).map_err(|error| wrong(error.to_string()))?;
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| wrong(error.message().into()))?;
        let model = table.remove("model").ok_or_else(|| wrong("has no [model]".into()))?;
        let model: TransformerConfig =
            model.try_into().map_err(|error: toml::de::Error| wrong(format!("[model]: {}", error.message())))?;
        if model.adapter.is_some() {
            return Err(wrong(
                "is a run that trained adapters: write their sum with its base by `hearth export`, and name that"
                    .into(),
            ));
        }
        Ok(Self::Run { path: path.into(), model: Box::new(model) })
    }

    /// Where its tokenizer is, of the model at `path`.
    ///
    /// # Errors
    /// An adapter whose model is not there.
    pub fn tokenizer(&self, path: &Path) -> Result<PathBuf, TrainError> {
        match self {
            Self::Adapted { adapter, .. } => beside(path, adapter),
            _ => Ok(path.into()),
        }
    }

    /// What the model computes.
    pub fn config(&self) -> &TransformerConfig {
        match self {
            Self::Published(published) => published.config(),
            Self::Run { model, .. } | Self::Adapted { model, .. } => model,
        }
    }

    /// The model on `device`, as `config` has it: what needs no weights may differ, and it may have adapters, drawn from `seed`.
    ///
    /// # Errors
    /// A field that asks for other weights; weights that are missing, or broken.
    pub fn load(&self, config: &TransformerConfig, seed: u64, device: &Device) -> Result<Transformer, TrainError> {
        if let Some(reason) = self.unfit(config).into_iter().next() {
            return Err(TrainError::Config { source_name: "configuration".into(), reason });
        }
        let plain = TransformerConfig { adapter: None, ..config.clone() };
        let model = match self {
            Self::Adapted { base, adapter, .. } => return Ok(adapter.beside(base.load(&plain, seed, device)?)?),
            Self::Published(published) => published.load(&plain, device)?,
            Self::Run { path, .. } => {
                let mut model = plain.init(0, device)?;
                weights::load(&mut model, &path.join("model.safetensors"))?;
                model
            }
        };
        Ok(match &config.adapter {
            Some(adapter) => model.adapted(adapter, seed)?,
            None => model,
        })
    }

    /// A sentence for each field of `config` that asks for other weights than these.
    pub fn unfit(&self, config: &TransformerConfig) -> Vec<String> {
        let [before, now] = [self.config(), config].map(fields);
        let unlike = now.into_iter().filter(|(field, value)| before.get(field) != Some(value));
        // Adapters are beside weights, whatever these are; those that are there already are as they are.
        let has_adapters = matches!(self, Self::Adapted { .. });
        let unlike = unlike.filter(|(field, _)| has_adapters || field != "adapter");
        let told = unlike.map(|(field, value)| {
            let own = before.get(&field).map_or("none".to_owned(), Value::to_string);
            (format!("model.{field}"), value.to_string(), own)
        });
        let unfit = told.filter(|(field, _, own)| !config.keeps_weights(field, own));
        unfit
            .map(|(field, value, own)| {
                format!("{field} = {value}: the weights that it begins with have {own}; leave it out")
            })
            .collect()
    }
}

/// Where the model is that an adapter in `folder` is beside: as it says, or in that folder's own.
///
/// # Errors
/// It is at neither place, or is an adapter itself.
pub fn beside(folder: &Path, adapter: &PeftAdapter) -> Result<PathBuf, TrainError> {
    let named = adapter.base().unwrap_or_default();
    let places = [PathBuf::from(named), folder.join(named), folder.parent().unwrap_or(folder).join(named)];
    let found = places.into_iter().find(|place| !named.is_empty() && place.exists());
    let wrong = match &found {
        Some(place) if PeftAdapter::is_at(place) => "is an adapter itself: write the path of the model",
        Some(_) => "",
        None => "there is no such folder or file: write the path of the model",
    };
    match found.filter(|_| wrong.is_empty()) {
        Some(place) => Ok(place),
        None => Err(TrainError::Config {
            source_name: folder.join("adapter_config.json").display().to_string(),
            reason: format!("base_model_name_or_path = \"{named}\": {wrong}"),
        }),
    }
}

fn fields(config: &TransformerConfig) -> BTreeMap<String, Value> {
    Table::try_from(config).expect("a model is a table of plain values").into_iter().collect()
}
