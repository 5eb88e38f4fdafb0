//! The documents of all files, one file after the other.

use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::csv::CsvColumn;
use super::fault::{FileFault, FileFaults};
use super::form::{Content, Form};
use super::lines::Lines;
use super::options::{OnFault, ReadOptions};
use super::parquet::Column;
use super::part::{FilePart, Parts, Piece, PieceOrigin};
use super::plain::{PieceSize, Plain};
use super::rows::rows;
use super::standard_input::is_standard_input;
use super::text_file::TextFile;
use super::{foreign, json};
use crate::{DataError, Tokenizer};

/// The documents of a [`Corpus`](super::Corpus), in pieces. After an error there is nothing more.
pub struct Documents<'a> {
    files: &'a [PathBuf],
    /// Size of each file on disk, in bytes.
    sizes: &'a [u64],
    options: &'a ReadOptions,
    reads: Reads<'a>,
    next_file: usize,
    file: Option<OpenFile>,
    /// Sizes of the files before the open one.
    bytes_before: u64,
    faults: FileFaults,
}

/// What is read of a file.
#[derive(Clone, Copy)]
pub(super) enum Reads<'a> {
    /// Texts; where there is a tokenizer, long ones are cut where its ids stay what they are.
    Texts(Option<&'a Tokenizer>),
    /// Rows of chats.
    Rows,
}

struct OpenFile {
    path: Arc<Path>,
    parts: Parts,
    read: Arc<AtomicU64>,
    key_of_each_piece: bool,
    /// Key of the document that the last part did not end.
    key: Option<u64>,
}

impl<'a> Documents<'a> {
    pub(super) fn of(files: &'a [PathBuf], sizes: &'a [u64], options: &'a ReadOptions, reads: Reads<'a>) -> Self {
        let (next_file, file, bytes_before, faults) = (0, None, 0, FileFaults::default());
        Self { files, sizes, options, reads, next_file, file, bytes_before, faults }
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
                let piece_size = if self.files.len() == 1 { PieceSize::Growing } else { PieceSize::Even };
                let reading = Reading { options: self.options, piece_size, reads: self.reads };
                self.file = Some(OpenFile::of(path.clone(), &reading));
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

/// How a file is read.
struct Reading<'a> {
    options: &'a ReadOptions,
    piece_size: PieceSize,
    reads: Reads<'a>,
}

impl OpenFile {
    fn of(path: PathBuf, reading: &Reading) -> Self {
        let read = Arc::new(AtomicU64::new(0));
        let shared: Arc<Path> = path.as_path().into();
        let (parts, key_of_each_piece) = match parts(path, reading, read.clone()) {
            Ok((parts, content)) => (parts, content == Content::Plain && reading.options.separator.is_none()),
            Err(fault) => (Box::new(iter::once(Err(fault))) as Parts, false),
        };
        Self { path: shared, parts, read, key_of_each_piece, key: None }
    }

    fn piece(&mut self, part: FilePart, bytes_before: u64) -> Piece {
        let FilePart { text, ends_document, place } = part;
        let key = self.key.unwrap_or_else(|| key_of(&text));
        self.key = (!ends_document && !self.key_of_each_piece).then_some(key);
        let origin = place.map(|place| PieceOrigin { path: self.path.clone(), place });
        Piece { text, ends_document, key, bytes_read: bytes_before + self.read.load(Ordering::Relaxed), origin }
    }
}

fn parts(path: PathBuf, reading: &Reading, read: Arc<AtomicU64>) -> Result<(Parts, Content), FileFault> {
    let Reading { options, piece_size, reads } = *reading;
    let Reads::Texts(tokenizer) = reads else { return Ok((rows(path, read)?, Content::Json)) };
    let Form { content, compression } = Form::of(&path);
    let field = options.field.as_str();
    if content == Content::Parquet {
        return Ok((Box::new(Column::open(path, field, read)?), content));
    }
    let file = TextFile::open(&path, compression, read)?;
    let content = if is_standard_input(&path) { Content::of_head(&file.head) } else { content };
    let parts: Parts = match content {
        Content::Json => json::documents(path, file, field.to_owned()),
        Content::Csv { delimiter } => Box::new(CsvColumn::open(path, file.into_bytes(), delimiter, field)?),
        Content::Plain | Content::Parquet => {
            if let Some(fault) = foreign::by_name(&path) {
                return Err(fault);
            }
            // Pieces of one document go to the same part: only their number matters, so they may be large.
            let piece_size = if options.separator.is_some() { PieceSize::Even } else { piece_size };
            let plain = Plain::of(path, Lines::of(file.into_bytes()), options.separator.clone(), piece_size);
            Box::new(plain.for_tokenizer(tokenizer.cloned()))
        }
    };
    Ok((parts, content))
}

/// The same on every platform and in every version: it decides what a model is judged on.
fn key_of(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |key, &byte| key << 8 | u64::from(byte))
}
