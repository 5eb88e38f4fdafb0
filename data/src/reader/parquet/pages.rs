//! The pages of a column, looked at before they are decoded: the crate `parquet` takes memory for as many values as a header
//! states, though hardly a byte may follow it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescriptor;

use super::shapes::PAGE_HEADER;
use super::thrift::{Structure, Unsound, varint};

/// A page that takes more when it is decompressed is damaged. Pages have about a megabyte, or one long value.
const MAX_PAGE_BYTES: i64 = 256 << 20;
/// Values of a delta encoding for each byte of their page: of blocks of 2048 in 8 parts, all alike, nine bytes hold one.
const MAX_VALUES_PER_BYTE: u64 = 256;
/// Values of lists in a column of a group of rows, at most: a few bytes can state billions of empty ones.
const MAX_LISTED: u64 = 1 << 24;
/// Fields of a page's header.
const KIND: i64 = 1;
const DECOMPRESSED: i64 = 2;
const COMPRESSED: i64 = 3;
/// A page that the crate leaves out.
const INDEX_PAGE: i64 = 1;

/// Those of one column in one group of rows.
pub(super) struct SoundPages {
    pages: Box<dyn PageReader>,
    file: File,
    /// Where the next page's header begins.
    next: u64,
    /// Where the last page ends.
    end: u64,
    levels: Levels,
    /// Values of lists that the pages until here state.
    listed: u64,
}

/// The highest levels of a column, which stand before the values of its pages where they are not 0.
#[derive(Clone, Copy)]
pub(super) struct Levels {
    /// They say where lists go on.
    repetition: i16,
    /// They say what has no value.
    definition: i16,
}

impl Levels {
    pub(super) fn of(column: &ColumnDescriptor) -> Self {
        Self { repetition: column.max_rep_level(), definition: column.max_def_level() }
    }
}

impl SoundPages {
    /// `pages`, which take `(start, length)` of `file`.
    pub(super) fn new(pages: Box<dyn PageReader>, file: File, range: (u64, u64), levels: Levels) -> Self {
        let (start, length) = range;
        Self { pages, file, next: start, end: start.saturating_add(length), levels, listed: 0 }
    }

    /// Goes over the headers of the next page that is read.
    fn check_header(&mut self) -> Result<()> {
        while self.next < self.end {
            let header = self.header()?;
            let size = |field| header.number(field).filter(|size| (0..=MAX_PAGE_BYTES).contains(size));
            let (Some(kind), Some(size), Some(_)) = (header.number(KIND), size(COMPRESSED), size(DECOMPRESSED)) else {
                return Err(damaged("a page's header states no size, or one of more than 256 MiB"));
            };
            self.next += header.length as u64 + size as u64;
            if kind != INDEX_PAGE {
                break;
            }
        }
        Ok(())
    }

    fn header(&mut self) -> Result<Structure> {
        // Statistics may stand in it with the longest value in full.
        let mut most = 4 << 10;
        loop {
            let mut bytes = Vec::new();
            self.file.seek(SeekFrom::Start(self.next))?;
            self.file.by_ref().take(most.min(self.end - self.next)).read_to_end(&mut bytes)?;
            match Structure::of(&bytes, PAGE_HEADER) {
                Ok(header) => return Ok(header),
                Err(Unsound::Cut) if bytes.len() as u64 == most => most *= 16,
                Err(_) => return Err(damaged("a page's header is not one")),
            }
        }
    }
}

impl PageReader for SoundPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.check_header()?;
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            check_values(page, self.levels)?;
            if self.levels.repetition > 0 && page.is_data_page() {
                self.listed += u64::from(page.num_values());
            }
            if self.listed > MAX_LISTED {
                return Err(damaged("a group of rows has more than 2^24 values in lists: write smaller groups"));
            }
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.check_header()?;
        self.pages.skip_next_page()
    }
}

impl Iterator for SoundPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

fn check_values(page: &Page, column: Levels) -> Result<()> {
    let (buffer, values, encoding, levels) = match page {
        // Each value has its length before it, in four bytes.
        Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() / 4 => {
            return Err(damaged("a dictionary states more values than it has room for"));
        }
        Page::DictionaryPage { .. } => return Ok(()),
        Page::DataPage { buf, num_values, encoding, def_level_encoding, rep_level_encoding, .. } => {
            let repetition = levels_length(buf, *num_values, *rep_level_encoding, column.repetition);
            let rest = usize::try_from(repetition).ok().and_then(|at| buf.get(at..)).unwrap_or_default();
            let definition = levels_length(rest, *num_values, *def_level_encoding, column.definition);
            (buf, *num_values, *encoding, repetition.saturating_add(definition))
        }
        Page::DataPageV2 { buf, num_values, encoding, def_levels_byte_len, rep_levels_byte_len, .. } => {
            (buf, *num_values, *encoding, u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len))
        }
    };
    let encoded = usize::try_from(levels).ok().and_then(|at| buffer.get(at..)).unwrap_or_default();
    let most = u64::from(values).min(encoded.len() as u64 * MAX_VALUES_PER_BYTE);
    match encoding {
        Encoding::DELTA_LENGTH_BYTE_ARRAY | Encoding::DELTA_BINARY_PACKED => length_of_deltas(encoded, most).map(drop),
        // How much of each value the one before has, and then the lengths of what is left.
        Encoding::DELTA_BYTE_ARRAY => {
            length_of_deltas(encoded, most).and_then(|at| length_of_deltas(&encoded[at..], most)).map(drop)
        }
        _ => Ok(()),
    }
    .map_err(|_| damaged("a page's lengths are not those of its values"))
}

/// Bytes of the levels of `values`, up to `highest`, at the start of what a page of the first version has.
fn levels_length(buffer: &[u8], values: u32, encoding: Encoding, highest: i16) -> u64 {
    match (encoding, buffer.first_chunk()) {
        _ if highest <= 0 => 0,
        (Encoding::RLE, Some(length)) => 4 + u64::from(u32::from_le_bytes(*length)),
        _ => (u64::from(values) * u64::from(highest.ilog2() + 1)).div_ceil(8),
    }
}

/// Bytes that numbers as differences (DELTA_BINARY_PACKED) take at the start of `bytes`, where they are at most `most`.
fn length_of_deltas(bytes: &[u8], most: u64) -> std::result::Result<usize, Unsound> {
    let mut at = 0;
    let mut number = || {
        let (number, length) = varint(&bytes[at..])?;
        at += length;
        Ok(number)
    };
    let (block, parts, values) = (number()?, number()?, number()?);
    number()?;
    if values > most || parts == 0 || block % parts != 0 || block / parts % 32 != 0 || block > 1 << 20 {
        return Err(Unsound::Damaged);
    }
    // The first value stands in the header.
    let (mut left, part) = (values.saturating_sub(1), block / parts);
    while left > 0 {
        at += varint(&bytes[at..])?.1;
        let widths = bytes.get(at..at + parts as usize).ok_or(Unsound::Cut)?;
        at += widths.len();
        for &width in widths {
            // Parts behind the last value have a width, and no bytes.
            if left > 0 {
                at += part as usize / 8 * usize::from(width);
                left = left.saturating_sub(part);
            }
        }
        if at > bytes.len() {
            return Err(Unsound::Cut);
        }
    }
    Ok(at)
}

fn damaged(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_owned())
}
