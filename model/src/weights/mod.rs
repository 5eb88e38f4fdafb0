//! Weights in and out: Hearth's own safetensors, and pretrained formats.
//!
//! A parameter's name is its path in the module, such as `blocks.0.attention.query.weight`. A matrix over the
//! vocabulary is whole here, `embedding.tokens`, however many shards the model has it in.

#[cfg(not(target_family = "wasm"))]
mod choice;
#[cfg(not(target_family = "wasm"))]
mod export;
#[cfg(not(target_family = "wasm"))]
mod exported;
#[cfg(not(target_family = "wasm"))]
mod fill;
mod fits;
#[cfg(not(target_family = "wasm"))]
mod format;
#[cfg(not(target_family = "wasm"))]
mod gguf;
#[cfg(not(target_family = "wasm"))]
mod huggingface;
#[cfg(not(target_family = "wasm"))]
pub mod llama2c;
#[cfg(not(target_family = "wasm"))]
mod parameters;
#[cfg(not(target_family = "wasm"))]
mod place;
#[cfg(not(target_family = "wasm"))]
mod precision;
#[cfg(not(target_family = "wasm"))]
mod published;

#[cfg(not(target_family = "wasm"))]
pub use export::Export;
#[cfg(not(target_family = "wasm"))]
pub use exported::{Exported, SpecialIds};
#[cfg(not(target_family = "wasm"))]
pub use huggingface::{PeftAdapter, save_peft};
#[cfg(not(target_family = "wasm"))]
pub use precision::Precision;
#[cfg(not(target_family = "wasm"))]
pub use published::Published;

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use burn::tensor::{DType, Device, TensorData};
use burn_store::{ApplyResult, FloatCastAdapter, ModuleSnapshot, ModuleStore, SafetensorsStore, bridge};

use crate::{Experts, ModelError, TokenMatrix, Transformer};

/// Writes all parameters to a safetensors file, beside it first and then renamed, so that a file is whole or absent.
///
/// # Errors
/// [`ModelError::Weights`] names the file.
pub fn save(model: &Transformer, path: &Path) -> Result<(), ModelError> {
    write(model, path, new_file(path))
}

/// As [`save`], of the parameters of these names alone.
///
/// # Errors
/// As [`save`].
pub fn save_some(model: &Transformer, names: &[String], path: &Path) -> Result<(), ModelError> {
    let paths = names.iter().map(|name| if is_sharded(name) { format!("{name}.shards.0") } else { name.clone() });
    write(model, path, new_file(path).with_full_paths(paths))
}

fn new_file(path: &Path) -> SafetensorsStore {
    SafetensorsStore::from_file(path)
        .overwrite(true)
        .clear_metadata()
        .metadata("format", "hearth-1")
        .with_key_remapping(r"\.shards\.0$", "")
}

fn write(model: &Transformer, path: &Path, mut store: SafetensorsStore) -> Result<(), ModelError> {
    store.collect_from(&with_whole_matrices(model)).map_err(|error| broken(path, error))?;
    readable(path).map_err(|error| broken(path, error))
}

/// Gives the file the rights that any other file of this process gets: the store writes it as one that nobody else may read.
fn readable(path: &Path) -> io::Result<()> {
    if cfg!(not(unix)) {
        return Ok(());
    }
    let beside = path.with_extension("rights");
    let rights = File::create(&beside)?.metadata()?.permissions();
    fs::remove_file(beside)?;
    fs::set_permissions(path, rights)
}

/// Reads all parameters from a file that [`save`] wrote, or one with the same tensors in f16, bf16 or f64, which become f32.
///
/// # Errors
/// A missing file, a tensor that is missing or has another shape, or one that the model does not have.
pub fn load(model: &mut Transformer, path: &Path) -> Result<(), ModelError> {
    load_wanted(model, path, |_| true)
}

/// As [`load`], of a file that has the parameters of these names alone; the others stay as they are.
///
/// # Errors
/// As [`load`].
pub fn load_some(model: &mut Transformer, names: &[String], path: &Path) -> Result<(), ModelError> {
    load_wanted(model, path, |name| names.iter().any(|wanted| wanted == name))
}

fn load_wanted(model: &mut Transformer, path: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<(), ModelError> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => {}
        Ok(_) => return Err(broken(path, "is no file: give one of safetensors")),
        Err(cause) => return Err(ModelError::Io { path: path.into(), cause }),
    }
    if let Err(cause) = File::open(path) {
        return Err(ModelError::Io { path: path.into(), cause });
    }
    let mut store = SafetensorsStore::from_file(path)
        .validate(false)
        .allow_partial(true)
        .with_from_adapter(FloatCastAdapter::to(DType::F32))
        .with_key_remapping(SHARDED, "$1.shards.0");
    apply(model, path, is_wanted, |whole| {
        store
            .apply_to(whole)
            .map_err(|error| broken(path, format!("{error}; it was cut or changed: take another checkpoint")))
    })
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
    let tensors = tensors
        .into_iter()
        .map(|(name, data)| bridge::from_data(data, if is_sharded(&name) { name + ".shards.0" } else { name }, None));
    apply(model, source, |_| true, |whole| Ok(whole.apply(tensors.collect(), None, None, false)))
}

/// The matrices that a model may have in shards, over the vocabulary and of experts, by name.
const SHARDED: &str =
    r"^(embedding\.tokens|head\.output|blocks\.\d+\.(?:attention\.value_embedding\.table|experts\.(?:gate|up|down)))$";

/// As [`SHARDED`].
fn is_sharded(name: &str) -> bool {
    let of_experts = name.split_once(".experts.").is_some_and(|(_, name)| ["gate", "up", "down"].contains(&name));
    of_experts || ["embedding.tokens", "head.output"].contains(&name) || name.ends_with(".value_embedding.table")
}

/// The matrices over the vocabulary.
fn matrices(model: &mut Transformer) -> impl Iterator<Item = &mut TokenMatrix> {
    let Transformer { embedding, blocks, head, .. } = model;
    let tables = blocks.iter_mut().filter_map(|block| block.attention.as_mut()?.value_embedding.as_mut());
    [&mut embedding.tokens].into_iter().chain(tables.map(|it| &mut it.table)).chain(&mut head.output)
}

fn with_whole_matrices(model: &Transformer) -> Transformer {
    let mut whole = model.clone();
    matrices(&mut whole).for_each(|matrix| *matrix = matrix.whole());
    for block in &mut whole.blocks {
        block.experts =
            block.experts.take().map(|it| if it.devices().len() > 1 { it.over(&[Device::flex()]) } else { it });
    }
    whole
}

/// Sets the parameters of `model` by `set`, which sees its matrices whole; those that are wanted must be there.
fn apply(
    model: &mut Transformer,
    path: &Path,
    is_wanted: impl Fn(&str) -> bool,
    set: impl FnOnce(&mut Transformer) -> Result<ApplyResult, ModelError>,
) -> Result<(), ModelError> {
    let mut whole = with_whole_matrices(model);
    check(set(&mut whole)?, path, is_wanted)?;
    matrices(model).zip(matrices(&mut whole)).for_each(|(cut, whole)| *whole = cut.cut(whole));
    for (block, before) in whole.blocks.iter_mut().zip(&model.blocks) {
        let devices = before.experts.as_ref().map(Experts::devices).filter(|devices| devices.len() > 1);
        block.experts = block.experts.take().map(|it| devices.map_or(it.clone(), |devices| it.over(&devices)));
    }
    *model = whole;
    Ok(())
}

fn check(result: ApplyResult, path: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<(), ModelError> {
    let mut missing = result.missing.iter().filter(|(name, _)| is_wanted(name.trim_end_matches(".shards.0")));
    let reason = if let Some(error) = result.errors.first() {
        error.to_string()
    } else if let Some((name, _)) = missing.next() {
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
