//! Files on the disk, or standard input, as bytes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fault::{FaultKind, FileFault};
use super::standard_input::is_standard_input;

/// The bytes of a file; `read` counts those that were read.
pub(super) struct Counted {
    source: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Counted {
    pub(super) fn open(path: &Path, read: Arc<AtomicU64>) -> Result<Self, FileFault> {
        let source: Box<dyn Read + Send> =
            if is_standard_input(path) { Box::new(io::stdin()) } else { Box::new(open(path)?) };
        Ok(Self { source, read })
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(buffer)?;
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

pub(super) fn open(path: &Path) -> Result<File, FileFault> {
    File::open(path).map_err(|error| match fs::read_link(path) {
        Ok(target) if error.kind() == ErrorKind::NotFound => dangling(path, &target),
        _ => unreadable(path, &error),
    })
}

/// The fault of a link at `path` that leads nowhere.
pub(super) fn dangling(path: &Path, target: &Path) -> FileFault {
    let reason = format!("this is a link to {}, where there is no file", target.display());
    FileFault { kind: FaultKind::Unreadable, path: path.into(), place: None, reason }
}

/// The fault of a file that cannot be opened or begun.
pub(super) fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> FileFault {
    FileFault { kind: FaultKind::Unreadable, path: path.into(), place: None, reason: error.to_string() }
}
