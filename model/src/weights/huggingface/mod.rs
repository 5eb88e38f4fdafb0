//! Models as Hugging Face's library has them: a folder with `config.json` and safetensors.

mod architecture;
mod config;
mod describe;
mod export;
mod fields;
mod files;
mod names;
mod peft;
mod rotations;
mod shards;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub use self::export::Folder;
pub use self::peft::{PeftAdapter, save_peft};
use self::{architecture::Architecture, fields::Fields, files::Files};
use super::{
    broken,
    fill::Wanted,
    format::Format,
    place::{self, Place},
};
use crate::{ModelError, TransformerConfig};

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
        let names = self.files.names().filter(|name| !names::is_idle(name, self.config.tied));
        let check = |name: &str, shape: &[usize]| self.files.check(name, shape);
        match place::stranger(&self.config, |name| self.place(name), check, names)? {
            Some(name) => {
                Err(broken(&self.folder, format!("tensor {name} is of no parameter that config.json tells of")))
            }
            None => Ok(()),
        }
    }

    fn read(&self, wanted: Wanted) -> Result<Vec<f32>, ModelError> {
        let rows = |name: &str, shape: &[usize], first, rows| self.files.read(name, shape, first, rows);
        let mut values = self.place(wanted.name)?.read(wanted, &place::whole(wanted, &self.config), &rows)?;
        if self.architecture.adds_one_to_scales() && wanted.name.ends_with("norm.gamma") {
            values.iter_mut().for_each(|value| *value += 1.0);
        }
        Ok(values)
    }
}

impl HuggingFaceModel {
    fn place(&self, name: &str) -> Result<Place, ModelError> {
        let found = names::place(self.architecture, name);
        let place = found.ok_or_else(|| broken(&self.folder, format!("the architecture has no parameter {name}")))?;
        Ok(match place {
            Place::Same(name) => Place::Same(self.stored(name)),
            Place::ThirdOfColumns(name, part) => Place::ThirdOfColumns(self.stored(name), part),
            place => place,
        })
    }

    /// GPT-2's own files leave out what its names begin with.
    fn stored(&self, name: String) -> String {
        match name.strip_prefix("transformer.") {
            Some(short) if !self.files.has(&name) => short.into(),
            _ => name,
        }
    }
}
