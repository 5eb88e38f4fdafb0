//! `data.text`: a file that is read whole when a run starts.

use std::{fs, path::Path};

use hearth_data::{DataError, read_text};

use crate::{
    TrainError,
    config::{DataConfig, prepare},
    devices,
};

/// Bytes of memory that a byte of text takes at most: itself, and a token of four bytes a few times over.
const BYTES_OF_MEMORY: u64 = 8;

/// The text that `data.text` names; none where it names none.
///
/// # Errors
/// There is no such file, it is no text, or it is larger than memory: what to do in each case.
pub(super) fn text_of(config: &DataConfig) -> Result<Option<String>, TrainError> {
    let Some(path) = &config.text else { return Ok(None) };
    let bytes = fs::metadata(path).map_or(0, |found| found.len());
    if devices::host_memory().is_some_and(|memory| bytes.saturating_mul(BYTES_OF_MEMORY) > memory) {
        let reason = format!(
            "has {} MB, which are held in memory, and more than this machine has free: make tokens of it by {}",
            bytes / 1_000_000,
            prepare(path)
        );
        return Err(of_field(path, reason));
    }
    match read_text(path) {
        Ok(text) => Ok(Some(text)),
        Err(DataError::NotUtf8 { offset, .. }) => {
            let reason = format!(
                "is not UTF-8 from byte {offset} on: convert it to UTF-8 or, if it is no plain text, make tokens of it by {}",
                prepare(path)
            );
            Err(of_field(path, reason))
        }
        Err(error) => Err(error.into()),
    }
}

fn of_field(path: &Path, reason: String) -> TrainError {
    TrainError::Config { source_name: format!("data.text = {:?}", path.display().to_string()), reason }
}
