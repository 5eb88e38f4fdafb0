//! Weights in and out: Hearth's own safetensors, and pretrained formats.
//!
//! A parameter's name is its path in the module, such as `blocks.0.attention.query.weight`.

pub mod llama2c;

use std::path::Path;

use burn::tensor::TensorData;
use burn_store::{ModuleSnapshot, ModuleStore, SafetensorsStore, bridge};

use crate::{ModelError, Transformer};

/// Writes all parameters to a safetensors file, beside it first and then renamed, so that a file is whole or absent.
///
/// # Errors
/// [`ModelError::Weights`] names the file.
pub fn save(model: &Transformer, path: &Path) -> Result<(), ModelError> {
    let mut store = SafetensorsStore::from_file(path).overwrite(true).clear_metadata().metadata("format", "hearth-1");
    store.collect_from(model).map_err(|error| broken(path, error))
}

/// Reads all parameters from a file that [`save`] wrote.
///
/// # Errors
/// A missing file, a tensor that is missing or has another shape, or one that the model does not have.
pub fn load(model: &mut Transformer, path: &Path) -> Result<(), ModelError> {
    if let Err(source) = std::fs::File::open(path) {
        return Err(ModelError::Io { path: path.into(), source });
    }
    let mut store = SafetensorsStore::from_file(path).validate(false).allow_partial(true);
    let result = store.apply_to(model).map_err(|error| broken(path, error))?;
    check(result, path)
}

/// Sets every parameter from named host tensors; `source` is the file they came from, for errors.
///
/// # Errors
/// As [`load`].
pub fn assign(
    model: &mut Transformer,
    tensors: impl IntoIterator<Item = (String, TensorData)>,
    source: &Path,
) -> Result<(), ModelError> {
    let tensors = tensors.into_iter().map(|(name, data)| bridge::from_data(data, name, None)).collect();
    check(model.apply(tensors, None, None, false), source)
}

fn check(result: burn_store::ApplyResult, path: &Path) -> Result<(), ModelError> {
    let reason = if let Some(error) = result.errors.first() {
        error.to_string()
    } else if let Some((name, _)) = result.missing.first() {
        format!("the model's tensor {name} is missing")
    } else if let Some(name) = result.unused.first() {
        format!("tensor {name} is not part of the model")
    } else {
        return Ok(());
    };
    Err(broken(path, format!("{reason}; check that model and weights belong together")))
}

fn broken(path: &Path, reason: impl ToString) -> ModelError {
    ModelError::Weights { path: path.into(), reason: reason.to_string() }
}
