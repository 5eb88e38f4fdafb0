//! Rows of chats in a file: whole objects, where [`documents`](super::documents) read one field.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::fault::{FaultKind, FileFault};
use super::form::{Content, Form};
use super::part::Parts;
use super::standard_input::is_standard_input;
use super::text_file::TextFile;
use super::{foreign, json, parquet};

/// The rows of the file at `path`, each as an object of JSON; `read` counts the bytes read from the disk.
pub(super) fn rows(path: PathBuf, read: Arc<AtomicU64>) -> Result<Parts, FileFault> {
    let Form { content, compression } = Form::of(&path);
    if content == Content::Parquet {
        return Ok(Box::new(parquet::Rows::open(path, read)?));
    }
    let file = TextFile::open(&path, compression, read)?;
    let content = if is_standard_input(&path) { Content::of_head(&file.head) } else { content };
    if content == Content::Json {
        return Ok(json::rows(path, file));
    }
    Err(foreign::by_name(&path).unwrap_or_else(|| {
        let reason = "rows of chats are read from .jsonl, .json and .parquet files: convert it to one".to_owned();
        FileFault { kind: FaultKind::NotARow, path, place: None, reason }
    }))
}
