//! Models that others have published, whose parameters are read one at a time.

use std::path::Path;

use burn::tensor::Device;

use super::{
    broken, fill::filled, format::Format, gguf::GgufModel, huggingface::HuggingFaceModel, llama2c::Llama2cModel,
};
use crate::{ModelError, Transformer, TransformerConfig};

/// A model that somebody has published: a folder as Hugging Face's library has them, a file of GGUF, or one of llama2.c.
///
/// ```no_run
/// use hearth_model::{burn::tensor::Device, weights::Published};
///
/// let published = Published::open("SmolLM2-135M".as_ref())?;
/// // Shorter windows take less memory.
/// let config = hearth_model::TransformerConfig { context_length: 512, ..published.config().clone() };
/// let model = published.load(&config, &Device::flex())?;
/// # Ok::<(), hearth_model::ModelError>(())
/// ```
pub struct Published(Box<dyn Format>);

impl Published {
    /// Opens a folder with `config.json` and safetensors, a `.gguf` file, or a `.bin` of llama2.c.
    ///
    /// # Errors
    /// An architecture that Hearth does not know, a field that asks for what it does not compute, and files that cannot be read, by
    /// file and field.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        if path.is_dir() {
            return Ok(Self(Box::new(HuggingFaceModel::open(path)?)));
        }
        if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("gguf")) {
            return Ok(Self(Box::new(GgufModel::open(path)?)));
        }
        if path.extension().is_some_and(|it| it.eq_ignore_ascii_case("bin")) {
            return Ok(Self(Box::new(Llama2cModel::open(path)?)));
        }
        let reason = if path.exists() { "is no folder, no .gguf and no .bin file" } else { "does not exist" };
        Err(broken(path, format!("{reason}: name a folder with config.json and model.safetensors, or a file of GGUF")))
    }

    /// What the model computes.
    pub fn config(&self) -> &TransformerConfig {
        self.0.config()
    }

    /// The model as `config` has it, in which only what needs no weights may differ from [`Published::config`]: a shorter context, a
    /// dropout.
    ///
    /// # Errors
    /// A tensor that is missing, has another shape, is stored as what Hearth does not read, or belongs to no parameter.
    pub fn load(&self, config: &TransformerConfig, device: &Device) -> Result<Transformer, ModelError> {
        self.0.check()?;
        filled(config, device, |wanted| self.0.read(wanted))
    }
}
