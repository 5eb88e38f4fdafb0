//! The documents of all files, one file after the other.

use std::iter;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fault::{FaultKind, FileFault, FileFaults};
use super::form::{Content, Form};
use super::json_lines::JsonLines;
use super::lines::Lines;
use super::options::{OnFault, ReadOptions};
use super::parquet::Column;
use super::part::{FilePart, Parts, Piece};
use super::plain::Plain;
use crate::DataError;

/// The documents of a [`Corpus`](super::Corpus), in pieces. After an error there is nothing more.
pub struct Documents<'a> {
    files: &'a [PathBuf],
    /// Size of each file on disk, in bytes.
    sizes: &'a [u64],
    options: &'a ReadOptions,
    next_file: usize,
    file: Option<OpenFile>,
    /// Sizes of the files before the open one.
    bytes_before: u64,
    faults: FileFaults,
}

struct OpenFile {
    parts: Parts,
    read: Arc<AtomicU64>,
    key_of_each_piece: bool,
    /// Key of the document that the last part did not end.
    key: Option<u64>,
}

impl<'a> Documents<'a> {
    pub(super) fn of(files: &'a [PathBuf], sizes: &'a [u64], options: &'a ReadOptions) -> Self {
        Self { files, sizes, options, next_file: 0, file: None, bytes_before: 0, faults: FileFaults::default() }
    }

    /// The faults that were left out so far, where faults are skipped.
    pub fn faults(&self) -> &FileFaults {
        &self.faults
    }

    fn fail(&mut self, fault: FileFault) -> DataError {
        self.file = None;
        self.next_file = self.files.len();
        DataError::Faulty(fault)
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Piece, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(file) = &mut self.file else {
                let path = self.files.get(self.next_file)?;
                self.file = Some(OpenFile::of(path.clone(), self.options));
                continue;
            };
            match file.parts.next() {
                Some(Ok(part)) => return Some(Ok(file.piece(part, self.bytes_before))),
                Some(Err(fault)) => match self.options.faults {
                    OnFault::Skip => self.faults.add(fault),
                    OnFault::Fail => return Some(Err(self.fail(fault))),
                },
                None => {
                    self.bytes_before += self.sizes[self.next_file];
                    self.next_file += 1;
                    self.file = None;
                }
            }
        }
    }
}

impl OpenFile {
    fn of(path: PathBuf, options: &ReadOptions) -> Self {
        let form = Form::of(&path);
        let read = Arc::new(AtomicU64::new(0));
        let key_of_each_piece = form.content == Content::Plain && options.separator.is_none();
        let parts = parts(path, form, options, read.clone()).unwrap_or_else(|fault| Box::new(iter::once(Err(fault))));
        Self { parts, read, key_of_each_piece, key: None }
    }

    fn piece(&mut self, part: FilePart, bytes_before: u64) -> Piece {
        let FilePart { text, ends_document } = part;
        let key = self.key.unwrap_or_else(|| key_of(&text));
        self.key = (!ends_document && !self.key_of_each_piece).then_some(key);
        Piece { text, ends_document, key, bytes_read: bytes_before + self.read.load(Ordering::Relaxed) }
    }
}

fn parts(path: PathBuf, form: Form, options: &ReadOptions, read: Arc<AtomicU64>) -> Result<Parts, FileFault> {
    if form.content == Content::Parquet {
        return Ok(Box::new(Column::open(path, &options.field, read)?));
    }
    let lines = match form.open(&path, read) {
        Ok(source) => Lines::of(source),
        Err(error) => {
            return Err(FileFault { kind: FaultKind::Unreadable, path, line: None, reason: error.to_string() });
        }
    };
    Ok(match form.content {
        Content::JsonLines => Box::new(JsonLines::of(path, lines, options.field.clone())),
        _ => Box::new(Plain::of(path, lines, options.separator.clone())),
    })
}

/// The same on every platform and in every version: it decides what a model is judged on.
fn key_of(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |key, &byte| key << 8 | u64::from(byte))
}
