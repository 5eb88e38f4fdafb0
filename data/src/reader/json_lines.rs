//! JSON Lines: an object a line, whose one field is the document.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::value::RawValue;

use super::fault::{FaultKind, FileFault};
use super::lines::Lines;
use super::part::FilePart;

/// A longer line is a fault, and is never held whole.
const MAX_LINE_BYTES: usize = 64 << 20;

/// The documents of a JSON Lines file. A line without a document is a fault; blank lines and empty documents are not.
pub(super) struct JsonLines {
    path: PathBuf,
    lines: Lines,
    field: String,
    done: bool,
}

impl JsonLines {
    pub(super) fn of(path: PathBuf, lines: Lines, field: String) -> Self {
        Self { path, lines, field, done: false }
    }

    /// The document of the next line; an empty text where the line or its document is empty. None at the end.
    fn read_document(&mut self) -> Result<Option<String>, (FaultKind, String)> {
        let unreadable = |error: std::io::Error| (FaultKind::Unreadable, error.to_string());
        self.done = true; // unless the line turns out to be readable
        if !self.lines.advance(MAX_LINE_BYTES, 0).map_err(unreadable)? {
            return Ok(None);
        }
        let too_long = !self.lines.ends;
        self.lines.skip_line(MAX_LINE_BYTES).map_err(unreadable)?;
        self.done = false;
        if too_long {
            return Err((FaultKind::LineTooLong, format!("the line has more than {MAX_LINE_BYTES} bytes")));
        }
        document(&self.lines.bytes, &self.field).map(Some)
    }
}

impl Iterator for JsonLines {
    type Item = Result<FilePart, FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.read_document() {
                Ok(None) => break,
                Ok(Some(text)) if text.is_empty() => {}
                Ok(Some(text)) => return Some(Ok(FilePart { text, ends_document: true })),
                Err((kind, reason)) => {
                    let (path, line) = (self.path.clone(), Some(self.lines.number));
                    return Some(Err(FileFault { kind, path, line, reason }));
                }
            }
        }
        None
    }
}

fn document(line: &[u8], field: &str) -> Result<String, (FaultKind, String)> {
    let line = std::str::from_utf8(line).map_err(|error| (FaultKind::NotUtf8, error.to_string()))?;
    if line.trim().is_empty() {
        return Ok(String::new());
    }
    let broken = |error: serde_json::Error| (FaultKind::BrokenJson, error.to_string());
    let object: HashMap<String, &RawValue> = serde_json::from_str(line).map_err(broken)?;
    match object.get(field).map(|value| value.get()) {
        None => Err((FaultKind::MissingField, format!("the object has no field {field:?}"))),
        Some(value) if value.starts_with('"') => serde_json::from_str(value).map_err(broken),
        Some(_) => Err((FaultKind::NotAString, format!("the field {field:?} is not a string"))),
    }
}
