//! Checkpoints on a disk.

use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use memmap2::Mmap;

use super::store::{Mapped, NewFile, Store};
use crate::files::sync_folder;

/// A [`Store`] that is a folder on a disk, such as a run's: a checkpoint is a folder in it.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The store in the folder at `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The store that has the checkpoint at `path`, and the checkpoint's name in it.
    ///
    /// # Errors
    /// The path leads nowhere, to the root, or to a name that is no Unicode.
    pub fn of(path: &Path) -> io::Result<(Self, String)> {
        // A path such as `..` has no name at its end.
        let whole = if path.file_name().is_some() { path.to_path_buf() } else { fs::canonicalize(path)? };
        let named = whole.parent().zip(whole.file_name().and_then(|name| name.to_str()));
        let (folder, name) = named.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "is no checkpoint's path"))?;
        Ok((Self::new(folder), name.into()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        if self.0.as_os_str().is_empty() { Path::new(".") } else { &self.0 }
    }

    fn at(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path().into() } else { self.0.join(name) }
    }

    /// Opens a regular file; also its size in bytes. A link could lead out of the folder and a pipe would never end, so
    /// neither is followed.
    fn open_regular(&self, name: &str) -> io::Result<(File, u64)> {
        let path = self.at(name);
        if !fs::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "it is a link, a folder or a device, and no file"));
        }
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        Ok((file, bytes))
    }
}

impl Store for Folder {
    fn location(&self, name: &str) -> String {
        self.at(name).display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let folders = entries.flatten().filter(|entry| entry.path().is_dir());
        // A name that is no Unicode is none of ours.
        Ok(folders.filter_map(|entry| entry.file_name().into_string().ok()).collect())
    }

    fn create(&self, folder: &str) -> io::Result<()> {
        fs::create_dir(self.at(folder))
    }

    fn begin(&self, name: &str, _bytes: u64) -> io::Result<Box<dyn NewFile>> {
        Ok(Box::new(OnDisk(BufWriter::with_capacity(1 << 18, File::create(self.at(name))?))))
    }

    fn open(&self, name: &str) -> io::Result<(Box<dyn Read>, u64)> {
        let (file, bytes) = self.open_regular(name)?;
        Ok((Box::new(file), bytes))
    }

    fn map(&self, name: &str) -> io::Result<Mapped> {
        let (file, _) = self.open_regular(name)?;
        // SAFETY: no one changes a checkpoint that stands; whoever does so under a running process changes values that
        // nothing relies on, and whoever cuts one short ends the process.
        Ok(Box::new(unsafe { Mmap::map(&file) }?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn remove(&self, folder: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.at(folder)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync(&self, folder: &str) -> io::Result<()> {
        sync_folder(&self.at(folder))
    }
}

/// A file that is being written.
struct OnDisk(BufWriter<File>);

impl Write for OnDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl NewFile for OnDisk {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()?;
        self.0.get_ref().sync_all()
    }
}
