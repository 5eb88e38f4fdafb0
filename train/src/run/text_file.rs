//! `data.text`: a file that is read whole when a run starts, and what people give in its place.

use std::{fs, io::ErrorKind, path::Path};

use hearth_data::{DataError, read_text};

use crate::{TrainError, config::DataConfig, devices};

/// Endings of files of which a run would learn the syntax, or that are not text.
const FOR_PREPARE: [&str; 11] = ["json", "jsonl", "ndjson", "csv", "tsv", "parquet", "arrow", "gz", "zst", "xz", "bz2"];

/// Bytes of memory that a byte of text takes at most: itself, and a token of four bytes a few times over.
const BYTES_OF_MEMORY: u64 = 8;

/// The text that `data.text` names; none where it names none.
///
/// # Errors
/// There is no such file, it is no text, or it is larger than memory: what to do in each case.
pub(super) fn text_of(config: &DataConfig) -> Result<Option<String>, TrainError> {
    let Some(path) = &config.text else { return Ok(None) };
    check(path).map_err(|reason| of_field(path, reason))?;
    match read_text(path) {
        Ok(text) => Ok(Some(text)),
        Err(DataError::NotUtf8 { offset, .. }) => {
            let reason = format!(
                "is not UTF-8 from byte {offset} on: convert it to UTF-8, or give it to {} if it is no plain text",
                prepare(path)
            );
            Err(of_field(path, reason))
        }
        Err(error) => Err(error.into()),
    }
}

fn check(path: &Path) -> Result<(), String> {
    let found = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(
                "is not there; in a configuration a path is relative to the configuration's folder, in --set to the \
                        working directory"
                    .into(),
            );
        }
        // What else is wrong is said when it is read.
        Err(_) => return Ok(()),
        Ok(found) => found,
    };
    if found.is_dir() {
        return Err(format!("is a folder: make tokens of what is in it with {}", prepare(path)));
    }
    if !found.is_file() {
        return Err("is a pipe or a device: give a file, or pipe it to `hearth prepare -`".into());
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    if FOR_PREPARE.contains(&&*ending) {
        return Err(format!(
            "is a .{ending} file, of which a run would learn the syntax: make tokens of its texts with {}, or name it .txt",
            prepare(path)
        ));
    }
    match devices::host_memory() {
        Some(memory) if found.len().saturating_mul(BYTES_OF_MEMORY) > memory => Err(format!(
            "has {} MB, which are held in memory, and more than this machine has free: make tokens of it with {}",
            found.len() / 1_000_000,
            prepare(path)
        )),
        _ => Ok(()),
    }
}

/// The command that makes tokens of what is at `path`, and the field that they are named in.
fn prepare(path: &Path) -> String {
    format!("`hearth prepare {} --vocab-size 8192 --out tokens`, and give data.tokens = \"tokens\"", path.display())
}

fn of_field(path: &Path, reason: String) -> TrainError {
    TrainError::Config { source_name: format!("data.text = {:?}", path.display().to_string()), reason }
}
