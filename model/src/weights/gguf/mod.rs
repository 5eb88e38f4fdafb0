//! Models as llama.cpp has them: a file of GGUF, of whatever precision.

mod config;
mod names;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use hearth_gguf::Gguf;

use self::{config::Metadata, names::Source};
use super::{
    broken,
    fill::Wanted,
    format::{Format, turned},
};
use crate::{ModelError, ModelShape, NormPlacement, Rotation, Site, TransformerConfig, rope::Frequencies};

/// A model in a file.
pub struct GgufModel {
    file: Gguf,
    path: PathBuf,
    config: TransformerConfig,
    /// Whether queries, keys and values are one tensor.
    merged: bool,
}

impl GgufModel {
    /// Opens a file.
    ///
    /// # Errors
    /// What is wrong with the file, or with what its metadata tell.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = Gguf::open(path)?;
        let refuse = |reason: String| broken(path, reason);
        let architecture = file.get_str("general.architecture")?;
        let config = Metadata { file: &file, architecture, refuse: &refuse }.config()?;
        config.validate()?;
        let merged = file.tensor("blk.0.attn_qkv.weight").is_some();
        let model = Self { path: path.into(), config, merged, file };
        model.check_rotations()?;
        Ok(model)
    }

    /// Rotations are told by what pairs are divided by, which must be what Hearth makes of its own numbers.
    fn check_rotations(&self) -> Result<(), ModelError> {
        if self.file.tensor("rope_freqs.weight").is_none() {
            return Ok(());
        }
        let divisors = self.file.read_f32("rope_freqs.weight")?;
        let plain = TransformerConfig { rope_scaling: None, ..self.config.clone() };
        let [scaled, plain] = [&self.config, &plain].map(|it| Frequencies::new(it, Rotation::Global).radians);
        let own = plain.iter().zip(&scaled).map(|(plain, scaled)| plain / scaled);
        let is_same = divisors.len() == plain.len()
            && own.zip(&divisors).all(|(own, given)| (own / f64::from(*given) - 1.0).abs() < 1e-3);
        match is_same {
            true => Ok(()),
            false => Err(broken(
                &self.path,
                "tensor rope_freqs.weight is not Llama 3's: take the model as Hugging Face has it",
            )),
        }
    }

    fn source(&self, name: &str) -> Result<Source, ModelError> {
        let found = names::source(name, self.merged, self.config.norm_placement == NormPlacement::After);
        found.ok_or_else(|| broken(&self.path, format!("the architecture has no parameter {name}")))
    }

    /// So many rows of a tensor, from `first` on, which must have this shape.
    fn rows(&self, name: &str, shape: &[usize], first: usize, rows: usize) -> Result<Vec<f32>, ModelError> {
        self.check_shape(name, shape)?;
        Ok(self.file.read_f32_rows(name, first..first + rows)?)
    }

    fn check_shape(&self, name: &str, shape: &[usize]) -> Result<(), ModelError> {
        let Some(tensor) = self.file.tensor(name) else {
            return Err(broken(&self.path, format!("tensor {name} is missing, which the architecture has")));
        };
        if tensor.shape() != shape {
            let reason = format!("tensor {name} is {:?}, and the metadata make it {shape:?}", tensor.shape());
            return Err(broken(&self.path, reason));
        }
        Ok(())
    }
}

impl Format for GgufModel {
    fn config(&self) -> &TransformerConfig {
        &self.config
    }

    fn check(&self) -> Result<(), ModelError> {
        let shape = ModelShape::of(&self.config, &Site::of_sequence(1));
        let mut known = BTreeSet::from(["rope_freqs.weight".to_string()]);
        for parameter in shape.parameters() {
            let mut stored = parameter.shape.clone();
            let name = match self.source(&parameter.name)? {
                Source::Same(name) => name,
                Source::Turned(name) => {
                    stored.reverse();
                    name
                }
                Source::Third(name, _) => {
                    stored.reverse();
                    stored[0] *= 3;
                    name
                }
                Source::OfExperts(name) => {
                    stored = vec![parameter.shape[0], parameter.shape[2], parameter.shape[1]];
                    name
                }
                Source::Nowhere => continue,
            };
            self.check_shape(&name, &stored)?;
            known.insert(name);
        }
        match self.file.tensors().find(|tensor| !known.contains(tensor.name())) {
            Some(tensor) => {
                let reason = format!("tensor {} is of no parameter that the metadata tell of", tensor.name());
                Err(broken(&self.path, reason))
            }
            None => Ok(()),
        }
    }

    fn read(&self, Wanted { name, shape, first }: Wanted) -> Result<Vec<f32>, ModelError> {
        match self.source(name)? {
            Source::Same(stored) => {
                let whole = match name {
                    "embedding.tokens" | "head.output" => [self.config.vocab_size, self.config.width].to_vec(),
                    "embedding.positions" => [self.config.context_length, self.config.width].to_vec(),
                    _ => shape.to_vec(),
                };
                self.rows(&stored, &whole, first, shape[0])
            }
            Source::Turned(stored) => {
                let [inputs, outputs] = [shape[0], shape[1]];
                Ok(turned(&self.rows(&stored, &[outputs, inputs], 0, outputs)?, inputs))
            }
            Source::Third(stored, part) => {
                let channels = shape[shape.len() - 1];
                match *shape {
                    [inputs, _] => {
                        let rows = self.rows(&stored, &[3 * channels, inputs], part * channels, channels)?;
                        Ok(turned(&rows, inputs))
                    }
                    _ => {
                        Ok(self.rows(&stored, &[3 * channels], 0, 3 * channels)?[part * channels..][..channels]
                            .to_vec())
                    }
                }
            }
            Source::OfExperts(stored) => {
                let [experts, inputs, outputs] = [shape[0], shape[1], shape[2]];
                let mut all = Vec::with_capacity(experts * inputs * outputs);
                for expert in first..first + experts {
                    let rows = self.rows(&stored, &[self.config.experts, outputs, inputs], expert, 1)?;
                    all.extend(turned(&rows, inputs));
                }
                Ok(all)
            }
            Source::Nowhere => Ok(vec![0.0; shape.iter().product()]),
        }
    }
}
