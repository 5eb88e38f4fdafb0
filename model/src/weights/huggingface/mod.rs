//! Models as Hugging Face's library has them: a folder with `config.json` and safetensors.

mod architecture;
mod config;
mod fields;
mod files;
mod names;
mod rotations;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use self::{architecture::Architecture, fields::Fields, files::Files, names::Source};
use super::{
    broken,
    fill::Wanted,
    format::{Format, turned},
};
use crate::{ModelError, ModelShape, Site, TransformerConfig};

/// A model in a folder.
pub struct HuggingFaceModel {
    architecture: Architecture,
    config: TransformerConfig,
    folder: PathBuf,
    files: Files,
}

impl HuggingFaceModel {
    /// Opens a folder: its `config.json`, and `model.safetensors` or the files of `model.safetensors.index.json`.
    ///
    /// # Errors
    /// An architecture that Hearth does not know, a field that asks for what it does not compute, and files that cannot be read, by
    /// file and field.
    pub fn open(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join("config.json");
        let text = fs::read_to_string(&path).map_err(|cause| ModelError::Io { path: path.clone(), cause })?;
        let value: Value = serde_json::from_str(&text).map_err(|error| broken(&path, error))?;
        let Some(map) = value.as_object() else { return Err(broken(&path, "must be an object of JSON")) };
        let fields = Fields::new(&path, map);
        let Some(kind) = fields.text("model_type")? else { return Err(broken(&path, "field model_type is missing")) };
        let architecture = Architecture::of(&path, kind)?;
        let config = config::read(architecture, &fields)?;
        let files = Files::open(folder)?;
        Ok(Self { architecture, config, folder: folder.into(), files })
    }
}

impl Format for HuggingFaceModel {
    fn config(&self) -> &TransformerConfig {
        &self.config
    }

    fn check(&self) -> Result<(), ModelError> {
        let shape = ModelShape::of(&self.config, &Site::of_sequence(1));
        let mut known = BTreeSet::new();
        for parameter in shape.parameters() {
            let mut stored = parameter.shape.clone();
            let names = match self.source(&parameter.name)? {
                Source::Same(name) => vec![self.stored(name)],
                Source::Turned(name) => {
                    stored.reverse();
                    vec![name]
                }
                Source::Third { name, .. } => {
                    stored.last_mut().into_iter().for_each(|columns| *columns *= 3);
                    vec![self.stored(name)]
                }
                Source::OfExperts(before, after) => {
                    stored = vec![parameter.shape[2], parameter.shape[1]];
                    (0..self.config.experts).map(|expert| format!("{before}{expert}{after}")).collect()
                }
                Source::Nowhere => continue,
            };
            names.iter().try_for_each(|name| self.files.check(name, &stored))?;
            known.extend(names);
        }
        match self.files.names().find(|name| !known.contains(*name) && !names::is_idle(name, self.config.tied)) {
            Some(name) => {
                Err(broken(&self.folder, format!("tensor {name} is of no parameter that config.json tells of")))
            }
            None => Ok(()),
        }
    }

    fn read(&self, wanted: Wanted) -> Result<Vec<f32>, ModelError> {
        let Wanted { name, shape, first } = wanted;
        let mut values = match self.source(name)? {
            Source::Same(name) => {
                // Of a matrix over the vocabulary only some rows may be wanted; the rest of the shape is what the file must have.
                let whole = self.whole(wanted);
                self.files.read(&self.stored(name), &whole, first, shape[0])?
            }
            Source::Turned(name) => self.turned(&name, [shape[0], shape[1]])?,
            Source::Third { name, part } => self.third(&self.stored(name), shape, part)?,
            Source::OfExperts(before, after) => {
                let mut all = Vec::with_capacity(shape.iter().product());
                for expert in first..first + shape[0] {
                    all.extend(self.turned(&format!("{before}{expert}{after}"), [shape[1], shape[2]])?);
                }
                all
            }
            Source::Nowhere => vec![0.0; shape.iter().product()],
        };
        if self.architecture.adds_one_to_scales() && name.ends_with("norm.gamma") {
            values.iter_mut().for_each(|value| *value += 1.0);
        }
        Ok(values)
    }
}

impl HuggingFaceModel {
    fn source(&self, name: &str) -> Result<Source, ModelError> {
        let found = names::source(self.architecture, name);
        found.ok_or_else(|| broken(&self.folder, format!("the architecture has no parameter {name}")))
    }

    /// The shape of the parameter that rows are wanted of.
    fn whole(&self, Wanted { name, shape, .. }: Wanted) -> Vec<usize> {
        match name {
            "embedding.tokens" | "head.output" => vec![self.config.vocab_size, self.config.width],
            // Of learned positions the first ones may do.
            "embedding.positions" => vec![self.config.context_length, self.config.width],
            _ => shape.to_vec(),
        }
    }

    /// GPT-2's own files leave out what its names begin with.
    fn stored(&self, name: String) -> String {
        match name.strip_prefix("transformer.") {
            Some(short) if !self.files.has(&name) => short.into(),
            _ => name,
        }
    }

    /// A matrix `[in, out]` of a tensor `[out, in]`.
    fn turned(&self, name: &str, [inputs, outputs]: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        Ok(turned(&self.files.read(name, &[outputs, inputs], 0, outputs)?, inputs))
    }

    /// A third of the columns of a tensor `[.., 3 C]`.
    fn third(&self, name: &str, shape: &[usize], part: usize) -> Result<Vec<f32>, ModelError> {
        let columns = shape[shape.len() - 1];
        let mut whole = shape.to_vec();
        whole[shape.len() - 1] = 3 * columns;
        let stored = self.files.read(name, &whole, 0, whole[0])?;
        let of_row = |row: &[f32]| row[part * columns..(part + 1) * columns].to_vec();
        Ok(stored.chunks_exact(3 * columns).flat_map(of_row).collect())
    }
}
