//! Opening a file as text: decompressed, without a byte order mark, and refused where its first bytes are of no text.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::compression::Compression;
use super::disk::{Counted, unreadable};
use super::fault::{FaultKind, FileFault};
use super::foreign;
use crate::encoding::{BYTE_ORDER_MARK, wide_encoding};

const BUFFER: usize = 1 << 16;
/// Bytes that a file is judged by.
const HEAD: u64 = 1 << 12;

/// A file that may be text.
pub(super) struct TextFile {
    /// Its first bytes.
    pub(super) head: Vec<u8>,
    /// Those after them.
    rest: Box<dyn BufRead + Send>,
}

impl TextFile {
    /// The file at `path`, in the compression that its name says or else its content; `read` counts the bytes read from
    /// the disk.
    pub(super) fn open(path: &Path, named: Option<Compression>, read: Arc<AtomicU64>) -> Result<Self, FileFault> {
        let disk = BufReader::with_capacity(BUFFER, Counted::open(path, read)?);
        let mut file = Self::of(Box::new(disk));
        refuse_foreign(path, &file.head)?;
        if let Some(compression) = named.or_else(|| Compression::of_content(&file.head)) {
            let decoded = compression.decode(file.into_bytes()).map_err(|error| unreadable(path, &error))?;
            file = Self::of(decoded);
            refuse_foreign(path, &file.head)?;
        }
        if let Some(encoding) = wide_encoding(&file.head) {
            let reason = format!("this is {encoding}: convert it, as with `iconv -f {encoding} -t UTF-8`");
            return Err(FileFault { kind: FaultKind::NotUtf8, path: path.into(), place: None, reason });
        }
        if file.head.contains(&0) {
            return Err(foreign::not_text(path, "this is binary data, with NUL bytes at its beginning: give text"));
        }
        if file.head.starts_with(BYTE_ORDER_MARK.as_bytes()) {
            file.head.drain(..BYTE_ORDER_MARK.len());
        }
        Ok(file)
    }

    fn of(mut source: Box<dyn BufRead + Send>) -> Self {
        let mut head = Vec::new();
        match source.by_ref().take(HEAD).read_to_end(&mut head) {
            Ok(_) => Self { head, rest: source },
            // What came before the fault is kept, and the fault shows itself behind it.
            Err(error) => Self { head, rest: Box::new(BufReader::new(BrokenOff(error))) },
        }
    }

    /// All its bytes.
    pub(super) fn into_bytes(self) -> Box<dyn BufRead + Send> {
        Box::new(Cursor::new(self.head).chain(self.rest))
    }
}

fn refuse_foreign(path: &Path, head: &[u8]) -> Result<(), FileFault> {
    foreign::of_content(head).map_or(Ok(()), |reason| Err(foreign::not_text(path, reason)))
}

/// The end of a file that cannot be read on.
struct BrokenOff(io::Error);

impl Read for BrokenOff {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(self.0.kind(), self.0.to_string()))
    }
}
