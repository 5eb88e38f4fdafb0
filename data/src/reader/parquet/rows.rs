//! Whole rows of a Parquet file, lists and structures included, as objects of JSON.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::bloom_filter::Sbbf;
use parquet::column::page::PageReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::record::reader::{ReaderIter, RowIter, TreeBuilder};
use parquet::schema::types::{SchemaDescriptor, Type};

use super::json::write_row;
use super::pages::{Levels, SoundPages};
use super::{listed, open_file};
use crate::contained::contained;
use crate::reader::fault::{FaultKind, FaultPlace, FileFault};
use crate::reader::part::FilePart;

/// The columns that rows of chats are made of.
const COLUMNS: [&str; 8] = ["messages", "conversations", "prompt", "completion", "chosen", "rejected", "text", "tools"];
/// Rows decoded at once.
const ROWS: usize = 64;
/// Lists and structures inside of one another, at most.
const MAX_DEPTH: usize = 32;

/// The rows of a Parquet file, each an object of JSON with those of [`COLUMNS`] that the file has.
pub(in crate::reader) struct Rows {
    path: PathBuf,
    file: SerializedFileReader<File>,
    /// Size of the file, in bytes.
    size: u64,
    /// The columns that are read.
    columns: Arc<SchemaDescriptor>,
    next_group: usize,
    group: Option<ReaderIter>,
    /// Number of the row given last, from 1.
    row: u64,
    read: Arc<AtomicU64>,
}

impl Rows {
    /// The rows of the file at `path`; `read` follows how much of the file the rows given so far amount to.
    pub(in crate::reader) fn open(path: PathBuf, read: Arc<AtomicU64>) -> std::result::Result<Self, FileFault> {
        let whole = |kind, reason| FileFault { kind, path: path.clone(), place: None, reason };
        let (file, size) = open_file(&path)?;
        let schema = file.metadata().file_metadata().schema_descr();
        let fields = schema.root_schema().get_fields();
        let wanted: Vec<_> = fields.iter().filter(|field| COLUMNS.contains(&field.name())).cloned().collect();
        if wanted.is_empty() {
            let names: Vec<_> = fields.iter().map(|field| field.name()).collect();
            let reason = format!(
                "there is none of the columns that rows of chats have, {}, but {}",
                listed(&COLUMNS),
                listed(&names)
            );
            return Err(whole(FaultKind::MissingField, reason));
        }
        if schema.columns().iter().any(|column| column.path().parts().len() > MAX_DEPTH) {
            let reason = format!("a column has more than {MAX_DEPTH} lists and structures inside of one another");
            return Err(whole(FaultKind::Unreadable, reason));
        }
        let root = Type::group_type_builder("rows").with_fields(wanted).build();
        let root = root.map_err(|error| whole(FaultKind::Unreadable, error.to_string()))?;
        let columns = Arc::new(SchemaDescriptor::new(Arc::new(root)));
        Ok(Self { path, file, size, columns, next_group: 0, group: None, row: 0, read })
    }

    /// The next row, as JSON; none at the end.
    fn next_row(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(row) = self.group.as_mut().and_then(Iterator::next) {
                let mut json = String::new();
                write_row(&row?, &mut json).map_err(|reason| ParquetError::General(reason.to_owned()))?;
                return Ok(Some(json));
            }
            if self.next_group == self.file.num_row_groups() {
                return Ok(None);
            }
            let group = SoundGroup { group: self.file.get_row_group(self.next_group)?, path: &self.path };
            self.next_group += 1;
            if group.metadata().num_rows() > 0 {
                let reader = TreeBuilder::new().with_batch_size(ROWS);
                self.group = Some(reader.as_iter(self.columns.clone(), &group)?);
            }
        }
    }

    fn follow_progress(&self) {
        let rows = self.file.metadata().file_metadata().num_rows().max(1);
        let share = (self.row as f64 / rows as f64).min(1.0);
        self.read.store((self.size as f64 * share) as u64, Ordering::Relaxed);
    }
}

impl Iterator for Rows {
    type Item = std::result::Result<FilePart, FileFault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row += 1;
        self.follow_progress();
        let place = Some(FaultPlace::Row(self.row));
        match contained(|| self.next_row().map_err(|error| error.to_string())).flatten() {
            Ok(row) => row.map(|text| Ok(FilePart { text, ends_document: true, place })),
            Err(reason) => {
                self.group = None;
                self.next_group = self.file.num_row_groups();
                let reason = format!("the file is damaged: {reason}");
                Some(Err(FileFault { kind: FaultKind::Unreadable, path: self.path.clone(), place, reason }))
            }
        }
    }
}

/// A group of rows whose pages are looked at before they are decoded.
struct SoundGroup<'a> {
    group: Box<dyn RowGroupReader + 'a>,
    path: &'a Path,
}

impl RowGroupReader for SoundGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.group.metadata()
    }

    fn num_columns(&self) -> usize {
        self.group.num_columns()
    }

    fn get_column_page_reader(&self, index: usize) -> Result<Box<dyn PageReader>> {
        let column = self.metadata().column(index);
        let levels = Levels::of(column.column_descr());
        let pages = self.group.get_column_page_reader(index)?;
        Ok(Box::new(SoundPages::new(pages, File::open(self.path)?, column.byte_range(), levels)))
    }

    fn get_column_bloom_filter(&self, index: usize) -> Option<&Sbbf> {
        self.group.get_column_bloom_filter(index)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        self.group.get_row_iter(projection)
    }
}
