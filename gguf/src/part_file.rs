//! Files that appear under their name only when they are complete.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

/// A file that is written beside its place, as `NAME.part`, and takes its name when [`PartFile::finish`] has brought it to the
/// disk. One that is dropped before leaves nothing behind; a process that is killed leaves the `.part`, which the next attempt
/// overwrites.
#[derive(Debug)]
pub struct PartFile {
    path: PathBuf,
    part: PathBuf,
    file: BufWriter<File>,
    finished: bool,
}

impl PartFile {
    /// Begins the file that will stand at `path`.
    ///
    /// # Errors
    /// What the system said.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut part = OsString::from(path);
        part.push(".part");
        let part = PathBuf::from(part);
        let file = BufWriter::new(File::create(&part)?);
        Ok(Self { path: path.into(), part, file, finished: false })
    }

    /// The name it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes what comes next.
    ///
    /// # Errors
    /// What the system said: so for the others.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Waits until the content is on the disk, then gives the file its name, over an older one of that name.
    ///
    /// # Errors
    /// What the system said.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.part, &self.path)?;
        self.finished = true;
        sync_folder_of(&self.path)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.finished {
            // Whatever led here is being reported already.
            let _ = fs::remove_file(&self.part);
        }
    }
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
