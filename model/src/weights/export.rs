//! Models for other programs.

use std::path::Path;

use hearth_gguf::MetadataValue;

use super::{
    exported::{Exported, SpecialIds},
    gguf, huggingface, llama2c,
    parameters::Parameters,
    precision::Precision,
};
use crate::{ModelError, Transformer};

/// A model on its way to another program. Its adapters are merged into the weights that they change; tensors are written one at a
/// time.
///
/// ```
/// use hearth_model::{TransformerConfig, burn::tensor::Device, weights::{Export, Precision, Published}};
///
/// let model = TransformerConfig::llama(64, 32, 2, 48, 4).init(0, &Device::flex())?;
/// let folder = std::env::temp_dir().join("hearth-export-example");
/// let made = Export::new(&model, Precision::F32).hugging_face(&folder)?;
/// assert_eq!(made.architecture, "llama");
/// assert_eq!(Published::open(&folder)?.config().width, 48);
/// # Ok::<(), hearth_model::ModelError>(())
/// ```
pub struct Export<'a> {
    model: &'a Transformer,
    precision: Precision,
    special: SpecialIds,
    shard_bytes: u64,
    progress: Box<dyn Fn(u64, u64) + 'a>,
}

/// A file of weights is cut where it would be longer: 5 GB, as Hugging Face's library does it.
const SHARD_BYTES: u64 = 5_000_000_000;

impl<'a> Export<'a> {
    /// `model`, whose matrices are to be stored so.
    pub fn new(model: &'a Transformer, precision: Precision) -> Self {
        let special = SpecialIds::default();
        Self { model, precision, special, shard_bytes: SHARD_BYTES, progress: Box::new(|_, _| {}) }
    }

    /// With ids that its tokenizer has for begin and end of a text.
    pub fn special(self, special: SpecialIds) -> Self {
        Self { special, ..self }
    }

    /// With files of safetensors that have so many bytes of values at most, or one tensor. Default 5 GB.
    pub fn shard_bytes(self, shard_bytes: u64) -> Self {
        Self { shard_bytes, ..self }
    }

    /// Tells `progress` after each tensor how many values were written, and of how many.
    pub fn progress(self, progress: impl Fn(u64, u64) + 'a) -> Self {
        Self { progress: Box::new(progress), ..self }
    }

    /// Writes `config.json` and safetensors into `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// [`ModelError::Unexportable`] of a configuration that no architecture computes, or values that cannot be stored so, by field or
    /// tensor; a file that cannot be written.
    pub fn hugging_face(&self, folder: &Path) -> Result<Exported, ModelError> {
        let writer = huggingface::Folder {
            config: self.model.config(),
            precision: self.precision,
            special: self.special,
            shard_bytes: self.shard_bytes,
            progress: &self.progress,
        };
        writer.write(&Parameters::of(self.model), folder)
    }

    /// Writes a file of GGUF, beside it first and then renamed. `metadata` are further ones, such as the tokenizer's.
    ///
    /// # Errors
    /// As [`Export::hugging_face`].
    pub fn gguf(&self, path: &Path, metadata: Vec<(String, MetadataValue)>) -> Result<Exported, ModelError> {
        let writer = gguf::File { config: self.model.config(), precision: self.precision, progress: &self.progress };
        writer.write(&Parameters::of(self.model), path, metadata)
    }

    /// Writes a `.bin` of llama2.c, beside it first and then renamed.
    ///
    /// # Errors
    /// As [`Export::hugging_face`]; another precision than f32.
    pub fn llama2c(&self, path: &Path) -> Result<Exported, ModelError> {
        if self.precision != Precision::F32 {
            let what = format!("dtype = {}", self.precision.name());
            return Err(ModelError::Unexportable { what, reason: "llama2.c's .bin has f32 alone".into() });
        }
        llama2c::write(self.model, &Parameters::of(self.model), path, &self.progress)
    }
}
