//! A string column of a Parquet file, or its rows.

mod json;
mod pages;
mod rows;
mod shapes;
mod thrift;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec;

use parquet::basic::{ConvertedType, Type};
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::disk::{self, unreadable};
use super::fault::{FaultKind, FaultPlace, FileFault, listed};
use super::foreign;
use super::part::FilePart;
use crate::contained::contained;
use pages::{Levels, SoundPages};
pub(super) use rows::Rows;
use shapes::FOOTER;
use thrift::Structure;

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
        let whole = |kind, reason| FileFault { kind, path: path.clone(), place: None, reason };
        let (file, size) = open_file(&path)?;
        let schema = file.metadata().file_metadata().schema_descr();
        let Some(index) = schema.columns().iter().position(|column| column.path().string() == name) else {
            let (kind, what) = match kind_of_group(schema, name) {
                Some(group) => (FaultKind::NotAString, format!("the column {name:?} is {group}, not of strings")),
                None => (FaultKind::MissingField, format!("there is no column {name:?}")),
            };
            return Err(whole(kind, format!("{what}; {}", string_columns(schema))));
        };
        let column = schema.column(index);
        if !holds_strings(&column) {
            let reason = format!("the column {name:?} holds no strings; {}", string_columns(schema));
            return Err(whole(FaultKind::NotAString, reason));
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
            let group = self.file.get_row_group(self.next_group)?;
            let (column, range) = group
                .metadata()
                .columns()
                .get(self.index)
                .map(|it| (it.column_descr_ptr(), it.byte_range()))
                .ok_or_else(|| ParquetError::General("a group of rows lacks the column".to_owned()))?;
            let pages = group.get_column_page_reader(self.index)?;
            let pages = SoundPages::new(pages, File::open(&self.path)?, range, Levels::of(&column));
            self.group = Some(ColumnReaderImpl::new(column, Box::new(pages)));
            self.next_group += 1;
        }
    }

    fn follow_progress(&self) {
        let metadata = self.file.metadata().file_metadata();
        let share = self.row as f64 / metadata.num_rows().max(1) as f64;
        self.read.store((self.size as f64 * share) as u64, Ordering::Relaxed);
    }

    fn fault(&self, kind: FaultKind, reason: String) -> FileFault {
        FileFault { kind, path: self.path.clone(), place: Some(FaultPlace::Row(self.row)), reason }
    }
}

/// The file at `path`, with its size in bytes. What is no Parquet is said by its first bytes, where those are known.
fn open_file(path: &Path) -> Result<(SerializedFileReader<File>, u64), FileFault> {
    let mut file = disk::open(path)?;
    let mut head = Vec::new();
    let size = file
        .by_ref()
        .take(foreign::LONGEST_MAGIC)
        .read_to_end(&mut head)
        .and_then(|_| Ok(file.metadata()?.len()))
        .map_err(|error| unreadable(path, &error))?;
    check_footer(&mut file, size).map_err(|error| unreadable(path, &error))?;
    let opened = contained(|| SerializedFileReader::new(file).map_err(|error| error.to_string())).flatten();
    opened.map(|file| (file, size)).map_err(|reason| match foreign::of_content(&head) {
        Some(reason) if !head.starts_with(b"PAR1") => foreign::not_text(path, reason),
        _ => unreadable(path, &reason),
    })
}

/// An error where the last bytes of the file say where its footer begins, and that is none: what is not there at all is said by
/// the crate.
fn check_footer(file: &mut File, size: u64) -> io::Result<()> {
    let mut tail = [0; 8];
    if size < 12 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut tail)?;
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if &tail[4..] != b"PAR1" || length > size - 8 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-8 - length as i64))?;
    let mut footer = Vec::new();
    file.by_ref().take(length).read_to_end(&mut footer)?;
    Structure::of(&footer, FOOTER).map(drop).map_err(|_| io::Error::other("its footer is damaged"))
}

fn holds_strings(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Type::BYTE_ARRAY && column.max_rep_level() == 0
}

/// What the column `name` is, where it consists of others.
fn kind_of_group(schema: &SchemaDescriptor, name: &str) -> Option<&'static str> {
    let group = schema.root_schema().get_fields().iter().find(|field| field.name() == name && field.is_group())?;
    Some(match group.get_basic_info().converted_type() {
        ConvertedType::LIST => "a list",
        ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE => "a map",
        _ => "a structure",
    })
}

/// Which columns would do, as a clause.
fn string_columns(schema: &SchemaDescriptor) -> String {
    let columns = schema.columns().iter().filter(|column| holds_strings(column));
    match columns.map(|column| column.path().string()).collect::<Vec<_>>().as_slice() {
        [] => "the file has no column of strings".to_owned(),
        names => format!("its columns of strings: {}", listed(names)),
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
                match contained(|| self.decode().map_err(|error| error.to_string())).flatten() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(reason) => {
                        self.group = None;
                        self.next_group = self.file.num_row_groups();
                        self.row += 1;
                        let reason = format!("the file is damaged: {reason}");
                        return Some(Err(self.fault(FaultKind::Unreadable, reason)));
                    }
                }
            };
            self.row += 1;
            let Some(bytes) = value else {
                return Some(Err(self.fault(FaultKind::MissingField, "the row has no value".to_owned())));
            };
            match bytes.as_utf8() {
                Ok("") => {}
                Ok(text) => return Some(Ok(FilePart { text: text.to_owned(), ends_document: true, place: None })),
                Err(error) => return Some(Err(self.fault(FaultKind::NotUtf8, error.to_string()))),
            }
        }
    }
}
