//! What a file's name says of its form, and opening it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

const BUFFER: usize = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Plain,
    JsonLines,
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) content: Content,
    compression: Compression,
}

impl Form {
    pub(super) fn of(path: &Path) -> Self {
        let (compression, inner) = match extension(path).as_str() {
            "gz" => (Compression::Gzip, path.with_extension("")),
            "zst" => (Compression::Zstd, path.with_extension("")),
            _ => (Compression::None, path.to_owned()),
        };
        let content = match extension(&inner).as_str() {
            "jsonl" | "ndjson" => Content::JsonLines,
            "parquet" => Content::Parquet,
            _ => Content::Plain,
        };
        Self { content, compression }
    }

    /// Parquet is read from its end, so it cannot be streamed out of another compression.
    pub(super) fn is_wrapped_parquet(self) -> bool {
        self.content == Content::Parquet && self.compression != Compression::None
    }

    /// The uncompressed bytes of the file; `read` counts those read from the disk.
    pub(super) fn open(self, path: &Path, read: Arc<AtomicU64>) -> io::Result<Box<dyn BufRead + Send>> {
        let disk = BufReader::with_capacity(BUFFER, Counted { file: File::open(path)?, read });
        Ok(match self.compression {
            Compression::None => Box::new(disk),
            Compression::Gzip => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(disk))),
            Compression::Zstd => Box::new(BufReader::with_capacity(BUFFER, zstd::Decoder::with_buffer(disk)?)),
        })
    }
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
