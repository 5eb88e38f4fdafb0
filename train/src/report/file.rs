//! Files that are whole or not there at all, and files that end with a whole record.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::ReportError;
use crate::files;

/// Writes `content` so that a reader sees the old file or the new one, and never half of one.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), ReportError> {
    files::write_whole(path, content).map_err(ReportError::file("written", path))
}

/// A file that records are added to.
#[derive(Debug)]
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole records, where the last one could not be written whole.
    torn: Option<u64>,
}

impl AppendFile {
    /// Starts a new file; one that was there is emptied.
    pub fn create(path: &Path) -> Result<Self, ReportError> {
        File::create(path).map_err(ReportError::file("created", path))?;
        // For adding: where a record was written in part and cut off again, the next goes to the end, and not behind a hole.
        Self::open(path)
    }

    /// Goes on at the end of a file, which is made if need be.
    pub fn open(path: &Path) -> Result<Self, ReportError> {
        let opened = File::options().append(true).create(true).open(path);
        Ok(Self { path: path.to_owned(), file: opened.map_err(ReportError::file("opened", path))?, torn: None })
    }

    /// Starts a new file that has `content`, which takes the place of an older one as a whole, and goes on at its end.
    pub fn replace(path: &Path, content: &[u8]) -> Result<Self, ReportError> {
        write_whole(path, content)?;
        Self::open(path)
    }

    /// As [`AppendFile::replace`], with `content` that is no longer than what the file has: a disk that is full has room for it.
    pub fn shorten(path: &Path, content: &[u8]) -> Result<Self, ReportError> {
        Self::replace(path, content).or_else(|error| {
            let written = File::options().write(true).open(path).and_then(|mut file| {
                file.write_all(content)?;
                file.set_len(content.len() as u64)
            });
            written.map_err(|_| error).and_then(|()| Self::open(path))
        })
    }

    /// Adds a record. It has left the process when this returns: a kill loses nothing that was written before. After an error,
    /// as on a full disk, the file ends with the record before, and a later one may be added.
    pub fn add(&mut self, record: &[u8]) -> Result<(), ReportError> {
        self.try_add(record).map_err(ReportError::file("written", &self.path))
    }

    fn try_add(&mut self, record: &[u8]) -> io::Result<()> {
        if let Some(whole) = self.torn {
            self.file.set_len(whole)?;
        }
        let whole = self.file.metadata()?.len();
        self.torn = Some(whole);
        if let Err(error) = self.file.write_all(record) {
            // What was written of it goes; if not now, then before the next one.
            let _ = self.file.set_len(whole);
            return Err(error);
        }
        self.torn = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file() {
        let error = write_whole(Path::new("/no/such/folder/a.txt"), b"").unwrap_err().to_string();
        assert!(error.starts_with("/no/such/folder/a.txt cannot be written: "), "{error}");
    }

    #[test]
    fn records_stand_behind_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut file = AppendFile::replace(&path, b"one ").unwrap();
        file.add(b"two ").unwrap();
        AppendFile::open(&path).unwrap().add(b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one two three");
        drop(AppendFile::shorten(&path, b"one ").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"one ");
        // Nothing can be written beside it, and it is shortened all the same.
        std::fs::create_dir(folder.path().join("a.tmp")).unwrap();
        AppendFile::shorten(&path, b"on").unwrap().add(b"ce").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"once");
        let mut file = AppendFile::create(&path).unwrap();
        file.add(b"one ").unwrap();
        // As after a record of which a part was written.
        file.file.write_all(b"tw").unwrap();
        file.torn = Some(4);
        file.add(b"three").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one three");
    }
}
