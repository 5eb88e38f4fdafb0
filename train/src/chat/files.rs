//! What lies beside a model, or in its file, that chats need.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hearth_gguf::Gguf;
use serde_json::Value;

use crate::TrainError;

/// A larger file is none of a tokenizer's settings.
const LARGEST: u64 = 64 << 20;

/// Whether the model is in a file of llama.cpp's.
pub(super) fn is_gguf(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|it| it.eq_ignore_ascii_case("gguf"))
}

/// The file of llama.cpp's, without its tensors.
///
/// # Errors
/// It cannot be read.
pub(super) fn gguf(path: &Path) -> Result<Gguf, TrainError> {
    Gguf::open(path).map_err(|error| named(path, error.to_string()))
}

/// The folders in which a model's settings may lie: its own, and that of the run where it is a checkpoint.
pub(super) fn folders(path: &Path) -> Vec<PathBuf> {
    let is_checkpoint = path.join("optimizer.safetensors").exists();
    let full = path.canonicalize().unwrap_or_else(|_| path.into());
    let run = full.parent().filter(|_| is_checkpoint).map(Path::to_path_buf);
    [path.to_path_buf()].into_iter().chain(run).collect()
}

/// The JSON in a file; null where there is no such file.
///
/// # Errors
/// It cannot be read, or is no JSON.
pub(super) fn json(path: &Path) -> Result<Value, TrainError> {
    match text(path)? {
        Some(text) => serde_json::from_str(text.trim_start_matches('\u{feff}'))
            .map_err(|error| named(path, format!("is no JSON, {error}: restore the file as it was published"))),
        None => Ok(Value::Null),
    }
}

/// The text of a file; none where there is no such file.
///
/// # Errors
/// It cannot be read, is larger than a setting is, or is no UTF-8.
pub(super) fn text(path: &Path) -> Result<Option<String>, TrainError> {
    match fs::metadata(path) {
        Ok(found) if found.len() > LARGEST => {
            return Err(named(path, format!("has {} bytes, and such a file has some thousands", found.len())));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let read = fs::read_to_string(path).map(Some);
    read.map_err(|cause| TrainError::Io { action: "reading", path: path.into(), cause })
}

pub(super) fn named(path: &Path, reason: String) -> TrainError {
    TrainError::Config { source_name: path.display().to_string(), reason }
}
