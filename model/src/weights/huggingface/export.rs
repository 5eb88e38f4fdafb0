//! A model into a folder as Hugging Face's library has them.

use std::{fs, path::Path};

use serde_json::{Map, Value};

use super::{architecture::Architecture, config, describe::describe, fields::Fields, names, shards};
use crate::{
    ModelError, TransformerConfig,
    weights::{
        choice::{self, Candidate},
        exported::{Exported, SpecialIds},
        parameters::Parameters,
        place::{Place, Stored, layout},
        precision::Precision,
    },
};

/// A folder that is to be written.
pub struct Folder<'a> {
    pub config: &'a TransformerConfig,
    pub precision: Precision,
    pub special: SpecialIds,
    pub shard_bytes: u64,
    /// Is told how many values were written, and of how many.
    pub progress: &'a dyn Fn(u64, u64),
}

/// What is written: the architecture and its `config.json`.
pub type Form = (Architecture, Map<String, Value>);

impl Folder<'_> {
    /// Writes `config.json` and the weights.
    ///
    /// # Errors
    /// A configuration that no architecture computes, values that cannot be stored so, a file that cannot be written.
    pub fn write(&self, parameters: &Parameters, folder: &Path) -> Result<Exported, ModelError> {
        let Some(size) = self.precision.bytes() else {
            let what = format!("dtype = {}", self.precision.name());
            let reason = "Hugging Face's folders have f32, f16 and bf16: q8_0 is of GGUF".into();
            return Err(ModelError::Unexportable { what, reason });
        };
        let Candidate { told, of: (architecture, mut map), .. } = choose(self.config, self.special)?;
        let place = |name: &str| place(architecture, name);
        let (tensors, nowhere) = layout(&told, place)?;
        parameters.must_be_zero(&nowhere, "Hugging Face's architecture")?;
        fs::create_dir_all(folder).map_err(|cause| ModelError::Io { path: folder.into(), cause })?;
        let all: u64 = tensors.iter().map(|tensor| tensor.elements() as u64).sum();
        let mut done = 0;
        let minus = if architecture.adds_one_to_scales() { 1.0 } else { 0.0 };
        let values = |tensor: &Stored| {
            let mut values = tensor.values(|name, size| parameters.values(name, told.rope_layout, size))?;
            if tensor.shape.len() == 1 && minus != 0.0 {
                values.iter_mut().for_each(|value| *value -= minus);
            }
            done += values.len() as u64;
            (self.progress)(done, all);
            Ok(values)
        };
        let bytes = shards::write(folder, &tensors, (self.precision, size), self.shard_bytes, values)?;
        let dtype = match self.precision {
            Precision::F16 => "float16",
            Precision::Bf16 => "bfloat16",
            Precision::F32 | Precision::Q8_0 => "float32",
        };
        map.insert("torch_dtype".into(), dtype.into());
        // Last, for a folder without it is no model.
        shards::write_json(&folder.join("config.json"), &map.into())?;
        Ok(Exported { architecture: architecture.name().into(), tensors: tensors.len(), bytes, notes: Vec::new() })
    }
}

/// The architecture that computes what a configuration says, whatever adapters it has.
///
/// # Errors
/// None does.
pub fn choose(config: &TransformerConfig, special: SpecialIds) -> Result<Candidate<Form>, ModelError> {
    let candidates = Architecture::all().filter_map(|architecture| {
        let map = describe(architecture, config, special);
        let fields = Fields::new("config.json".as_ref(), &map);
        // Who reads a file asks for it first.
        fields.get("model_type");
        let told = config::read(architecture, &fields).ok()?;
        Some(Candidate { name: architecture.name().into(), told, of: (architecture, map) })
    });
    choice::choose(config, "Hugging Face's library", candidates)
}

fn place(architecture: Architecture, name: &str) -> Result<Place, ModelError> {
    names::place(architecture, name).ok_or_else(|| ModelError::Unexportable {
        what: name.into(),
        reason: format!("{} has no such parameter", architecture.name()),
    })
}
