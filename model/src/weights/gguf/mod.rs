//! Models as llama.cpp has them: a file of GGUF, of whatever precision.

mod config;
mod describe;
mod described;
mod export;
mod names;

use std::path::{Path, PathBuf};

use hearth_gguf::{Gguf, TensorInfo};

pub use self::export::File;
use self::{
    config::Metadata,
    described::{Described, ROPE_FREQS},
};
use super::{
    broken,
    fill::Wanted,
    format::Format,
    place::{self, Place},
};
use crate::{ModelError, NormPlacement, Rotation, TransformerConfig, rope::Frequencies};

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
        let described = Described::of(&file)?;
        let config = Metadata { file: &described, refuse: &|reason: String| broken(path, reason) }.config()?;
        config.validate()?;
        let merged = file.tensor("blk.0.attn_qkv.weight").is_some();
        let model = Self { path: path.into(), config, merged, file };
        model.check_rotations()?;
        Ok(model)
    }

    /// Rotations are told by what pairs are divided by, which must be what Hearth makes of its own numbers.
    fn check_rotations(&self) -> Result<(), ModelError> {
        if self.file.tensor(ROPE_FREQS).is_none() {
            return Ok(());
        }
        let divisors = self.file.read_f32(ROPE_FREQS)?;
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

    fn place(&self, name: &str) -> Result<Place, ModelError> {
        let found = names::place(name, self.merged, self.config.norm_placement == NormPlacement::After);
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
        let names = self.file.tensors().map(TensorInfo::name).filter(|name| *name != ROPE_FREQS);
        let check = |name: &str, shape: &[usize]| self.check_shape(name, shape);
        match place::stranger(&self.config, |name| self.place(name), check, names)? {
            Some(name) => {
                Err(broken(&self.path, format!("tensor {name} is of no parameter that the metadata tell of")))
            }
            None => Ok(()),
        }
    }

    fn read(&self, wanted: Wanted) -> Result<Vec<f32>, ModelError> {
        let rows = |name: &str, shape: &[usize], first, rows| self.rows(name, shape, first, rows);
        self.place(wanted.name)?.read(wanted, &place::whole(wanted, &self.config), &rows)
    }
}
