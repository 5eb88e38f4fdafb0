//! Files that appear under their name only when they are whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::DataError;

/// A file that is written beside its place, as `NAME.part`, and takes its name when [`NewFile::finish`] has brought it
/// to the disk. One that is dropped before leaves nothing behind; a process that is killed leaves the `.part`, which
/// the next attempt overwrites.
pub(crate) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    finished: bool,
}

impl NewFile {
    /// Begins the file that will stand at `path`.
    pub(crate) fn create(path: &Path) -> Result<Self, DataError> {
        let mut part = OsString::from(path);
        part.push(".part");
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(unwritable(path))?;
        Ok(Self { path: path.into(), part, file: BufWriter::with_capacity(1 << 16, file), finished: false })
    }

    /// Writes a whole small file.
    pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), DataError> {
        let mut file = Self::create(path)?;
        file.write(content)?;
        file.finish()
    }

    /// The name it will have.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.file.write_all(bytes).map_err(unwritable(&self.path))
    }

    /// Puts `bytes` over the file's first ones: a header that is known last.
    pub(crate) fn overwrite_start(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(bytes))
            .and_then(|()| self.file.seek(SeekFrom::End(0)))
            .map(drop)
            .map_err(unwritable(&self.path))
    }

    /// Waits until the content is on the disk, then gives the file its name, over an older one of that name.
    pub(crate) fn finish(mut self) -> Result<(), DataError> {
        self.persist().map_err(unwritable(&self.path))
    }

    fn persist(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.part, &self.path)?;
        self.finished = true;
        sync_folder_of(&self.path)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // Whatever led here is being reported already.
            let _ = fs::remove_file(&self.part);
        }
    }
}

/// What a failure to write `path` is.
pub(crate) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> DataError {
    move |cause| DataError::Unwritable { path: path.into(), cause }
}

/// A new name lasts only once its folder is on the disk too; elsewhere than on Unix a folder cannot be synchronised.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn sync_folder_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let names = || -> Vec<_> { fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect() };
        let path = folder.path().join("a");

        let mut dropped = NewFile::create(&path).unwrap();
        dropped.write(b"half").unwrap();
        assert_eq!(names(), ["a.part"]);
        drop(dropped);
        assert!(names().is_empty());

        fs::write(folder.path().join("a.part"), b"left by a killed process, and longer").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write(b"....tail").unwrap();
        file.overwrite_start(b"head").unwrap();
        file.write(b"!").unwrap();
        file.finish().unwrap();
        assert_eq!((names(), fs::read(&path).unwrap()), (vec!["a".into()], b"headtail!".to_vec()));

        let error = NewFile::create(&folder.path().join("no/a")).err().unwrap().to_string();
        assert!(error.contains("no/a cannot be written"), "{error}");
    }
}
