//! JSON: objects in an array or each on a line, of which one field is the document, or which are rows.

mod array;
mod lines;
mod object;
mod records;

use std::path::PathBuf;

use self::array::Elements;
use self::records::{RecordFault, Records};
use super::fault::{FaultKind, FileFault};
use super::lines::Lines;
use super::part::{FilePart, Parts};
use super::text_file::TextFile;

/// The documents of a JSON file, an array where its first bytes say so. A record without a document is a fault; blank ones
/// and empty documents are not.
pub(super) fn documents(path: PathBuf, file: TextFile, field: String) -> Parts {
    parts(path, file, Some(field))
}

/// The objects of a JSON file themselves, as text.
pub(super) fn rows(path: PathBuf, file: TextFile) -> Parts {
    parts(path, file, None)
}

fn parts(path: PathBuf, file: TextFile, field: Option<String>) -> Parts {
    match file.head.trim_ascii_start().starts_with(b"[") {
        true => Box::new(Documents { path, records: Elements::of(file.into_bytes()), field, done: false }),
        false => Box::new(Documents { path, records: Lines::of(file.into_bytes()), field, done: false }),
    }
}

struct Documents<Source> {
    path: PathBuf,
    records: Source,
    /// The one that is the document; none where the whole object is a row.
    field: Option<String>,
    done: bool,
}

impl<Source: Records> Documents<Source> {
    /// The document of the next record; an empty text where the record or its document is empty. None at the end.
    fn read_document(&mut self) -> Result<Option<String>, (FaultKind, String)> {
        match self.records.advance() {
            Ok(true) => match &self.field {
                Some(field) => object::document(self.records.bytes(), field).map(Some),
                None => object::row(self.records.bytes()).map(Some),
            },
            Ok(false) => Ok(None),
            Err(RecordFault::Record(kind, reason)) => Err((kind, reason)),
            Err(RecordFault::Source(kind, reason)) => {
                self.done = true;
                Err((kind, reason))
            }
        }
    }
}

impl<Source: Records> Iterator for Documents<Source> {
    type Item = Result<FilePart, FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.read_document() {
                Ok(None) => self.done = true,
                Ok(Some(text)) if text.is_empty() => {}
                Ok(Some(text)) => {
                    let place = self.field.is_none().then(|| self.records.place());
                    return Some(Ok(FilePart { text, ends_document: true, place }));
                }
                Err((kind, reason)) => {
                    let (path, place) = (self.path.clone(), Some(self.records.place()));
                    return Some(Err(FileFault { kind, path, place, reason }));
                }
            }
        }
        None
    }
}
