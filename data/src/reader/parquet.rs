//! A string column of a Parquet file.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec;

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::fault::{FaultKind, FileFault};
use super::part::FilePart;

/// Rows decoded at once.
const ROWS: usize = 256;

/// The documents of a Parquet file, a row each. A row without a value is a fault; an empty document is not.
pub(super) struct Column {
    path: PathBuf,
    file: SerializedFileReader<File>,
    /// Size of the file, in bytes.
    size: u64,
    index: usize,
    /// Definition level of a row that has a value; 0 where every row must have one.
    present: i16,
    next_group: usize,
    group: Option<ColumnReaderImpl<ByteArrayType>>,
    rows: vec::IntoIter<Option<ByteArray>>,
    /// Number of the row given last, from 1.
    row: u64,
    read: Arc<AtomicU64>,
}

impl Column {
    /// The column `name` of the file at `path`; `read` follows how much of the file the rows given so far amount to.
    pub(super) fn open(path: PathBuf, name: &str, read: Arc<AtomicU64>) -> Result<Self, FileFault> {
        let whole = |kind, reason| FileFault { kind, path: path.clone(), line: None, reason };
        let opened = File::open(&path).map_err(ParquetError::from).and_then(|file| {
            let size = file.metadata()?.len();
            Ok((SerializedFileReader::new(file)?, size))
        });
        let (file, size) = opened.map_err(|error| whole(FaultKind::Unreadable, error.to_string()))?;
        let schema = file.metadata().file_metadata().schema_descr();
        let Some(index) = schema.columns().iter().position(|column| column.path().string() == name) else {
            return Err(whole(FaultKind::MissingField, format!("there is no column {name:?}")));
        };
        let column = schema.column(index);
        if column.physical_type() != Type::BYTE_ARRAY || column.max_rep_level() > 0 {
            return Err(whole(FaultKind::NotAString, format!("the column {name:?} holds no strings")));
        }
        let present = column.max_def_level();
        let rows = Vec::new().into_iter();
        Ok(Self { path, file, size, index, present, next_group: 0, group: None, rows, row: 0, read })
    }

    /// Decodes more rows; whether there were any.
    fn decode(&mut self) -> Result<bool, ParquetError> {
        loop {
            if let Some(group) = &mut self.group {
                let (mut levels, mut values) = (Vec::new(), Vec::new());
                let (rows, ..) = group.read_records(ROWS, Some(&mut levels), None, &mut values)?;
                if rows > 0 {
                    self.rows = align(values, &levels, self.present).into_iter();
                    return Ok(true);
                }
            }
            if self.next_group == self.file.num_row_groups() {
                return Ok(false);
            }
            let reader = self.file.get_row_group(self.next_group)?.get_column_reader(self.index)?;
            self.next_group += 1;
            self.group = match reader {
                ColumnReader::ByteArrayColumnReader(reader) => Some(reader),
                _ => None, // the schema says otherwise, see `open`
            };
        }
    }

    fn follow_progress(&self) {
        let metadata = self.file.metadata().file_metadata();
        let share = self.row as f64 / metadata.num_rows().max(1) as f64;
        self.read.store((self.size as f64 * share) as u64, Ordering::Relaxed);
    }

    fn fault(&self, kind: FaultKind, reason: String) -> FileFault {
        FileFault { kind, path: self.path.clone(), line: Some(self.row), reason }
    }
}

/// `values` at the rows that have one.
fn align(values: Vec<ByteArray>, levels: &[i16], present: i16) -> Vec<Option<ByteArray>> {
    let mut values = values.into_iter();
    if present == 0 {
        return values.map(Some).collect();
    }
    levels.iter().map(|&level| if level == present { values.next() } else { None }).collect()
}

impl Iterator for Column {
    type Item = Result<FilePart, FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(value) = self.rows.next() else {
                self.follow_progress();
                match self.decode() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => {
                        self.group = None;
                        self.next_group = self.file.num_row_groups();
                        self.row += 1;
                        return Some(Err(self.fault(FaultKind::Unreadable, error.to_string())));
                    }
                }
            };
            self.row += 1;
            let Some(bytes) = value else {
                return Some(Err(self.fault(FaultKind::MissingField, "the row has no value".to_owned())));
            };
            match bytes.as_utf8() {
                Ok("") => {}
                Ok(text) => return Some(Ok(FilePart { text: text.to_owned(), ends_document: true })),
                Err(error) => return Some(Err(self.fault(FaultKind::NotUtf8, error.to_string()))),
            }
        }
    }
}
