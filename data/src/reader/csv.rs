//! A column of comma-separated values.

use std::io::{self, BufRead, Read};
use std::path::PathBuf;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::fault::{FaultKind, FaultPlace, FileFault, listed};
use super::part::FilePart;

const BUFFER: usize = 1 << 16;
/// A longer row is a fault, and is never held whole.
const MAX_ROW_BYTES: usize = 64 << 20;
/// A row behind the last one, which no file has: where it is read as one, no quotation mark was open before it. (The crate
/// `csv` takes the end of a file for a closing one.)
const END: &[u8] = b"\n\x1c\x04\x1c\n";

/// The documents of a file of comma-separated values, a row each; the first row names the columns. Quotation marks may
/// hold delimiters and line breaks. An empty value is no document, and no fault.
pub(super) struct CsvColumn {
    path: PathBuf,
    rows: Reader<Bounded>,
    row: ByteRecord,
    index: usize,
    columns: usize,
    done: bool,
}

impl CsvColumn {
    /// The column `name` of the file at `path` with the bytes `source`.
    pub(super) fn open(
        path: PathBuf,
        source: Box<dyn BufRead + Send>,
        delimiter: u8,
        name: &str,
    ) -> Result<Self, FileFault> {
        let whole = |kind, reason| FileFault { kind, path: path.clone(), place: None, reason };
        let bounded = Bounded { source: Box::new(source.chain(END)), left: MAX_ROW_BYTES };
        let mut builder = ReaderBuilder::new();
        let mut rows = builder.delimiter(delimiter).flexible(true).buffer_capacity(BUFFER).from_reader(bounded);
        let header = rows.byte_headers().map_err(|error| whole(FaultKind::Unreadable, error.to_string()))?;
        // An empty file has no columns, and nothing wrong.
        let done = match RowEnd::of(header) {
            RowEnd::Closed => false,
            RowEnd::File => true,
            RowEnd::Open => return Err(whole(FaultKind::BrokenRow, QUOTED.to_owned())),
        };
        let names: Vec<_> = header.iter().map(String::from_utf8_lossy).collect();
        let (index, columns) = (names.iter().position(|column| column == name), names.len());
        let Some(index) = index.or(done.then_some(0)) else {
            let reason = format!("there is no column {name:?} but {}", listed(&names));
            return Err(whole(FaultKind::MissingField, reason));
        };
        Ok(Self { path, rows, row: ByteRecord::new(), index, columns, done })
    }

    /// The value in the next row. None at the end.
    fn read_value(&mut self) -> Result<Option<String>, (FaultKind, String)> {
        self.rows.get_mut().left = MAX_ROW_BYTES;
        match self.rows.read_byte_record(&mut self.row) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.done = true;
                return Err((FaultKind::Unreadable, error.to_string()));
            }
        }
        match RowEnd::of(&self.row) {
            RowEnd::Closed => {}
            RowEnd::File => return Ok(None),
            RowEnd::Open => {
                self.done = true;
                return Err((FaultKind::BrokenRow, QUOTED.to_owned()));
            }
        }
        if self.row.len() != self.columns {
            let reason =
                format!("the row has {} values, but the first row names {} columns", self.row.len(), self.columns);
            return Err((FaultKind::BrokenRow, reason));
        }
        let value = self.row.get(self.index).unwrap_or_default().to_vec();
        String::from_utf8(value).map(Some).map_err(|error| (FaultKind::NotUtf8, error.to_string()))
    }
}

impl Iterator for CsvColumn {
    type Item = Result<FilePart, FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.read_value() {
                Ok(None) => self.done = true,
                Ok(Some(text)) if text.is_empty() => {}
                Ok(Some(text)) => return Some(Ok(FilePart { text, ends_document: true, place: None })),
                Err((kind, reason)) => {
                    let line = self.row.position().map_or(1, |position| position.line());
                    let (path, place) = (self.path.clone(), Some(FaultPlace::Line(line)));
                    return Some(Err(FileFault { kind, path, place, reason }));
                }
            }
        }
        None
    }
}

const QUOTED: &str = "the file ends inside of quotation marks: it was cut, or one is not closed";

/// What stands behind a row.
enum RowEnd {
    Closed,
    /// It is no row, but the end of the file.
    File,
    /// The file ends inside of its last value.
    Open,
}

impl RowEnd {
    fn of(row: &ByteRecord) -> Self {
        match row.iter().next_back() {
            Some(value) if value == END.trim_ascii() && row.len() == 1 => Self::File,
            Some(value) if value.ends_with(END) => Self::Open,
            _ => Self::Closed,
        }
    }
}

/// A source that ends with an error where a row takes more than what is `left`: a quotation mark that is not closed would
/// have all that follows held as one value.
struct Bounded {
    source: Box<dyn BufRead + Send>,
    left: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let reason = format!("the row has more than {MAX_ROW_BYTES} bytes: perhaps a quotation mark is not closed");
            return Err(io::Error::other(reason));
        }
        let most = buffer.len().min(self.left);
        let bytes = self.source.read(&mut buffer[..most])?;
        self.left -= bytes;
        Ok(bytes)
    }
}
