//! A checkpoint that is being written: in a folder of another name, until all of it is on the disk.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    CheckpointError, Description, FileEntry, Manifest, TensorSpec,
    manifest::{MANIFEST, is_plain},
    shelf::{self, OLD, PART},
    tensors::header,
};

/// A checkpoint that is being written. One that is dropped before [`NewCheckpoint::finish`] leaves nothing behind.
pub struct NewCheckpoint {
    run: PathBuf,
    step: u64,
    part: PathBuf,
    files: BTreeMap<String, FileEntry>,
}

impl NewCheckpoint {
    /// Begins the checkpoint of a run's `step`.
    ///
    /// # Errors
    /// Its folder cannot be made.
    pub fn create(run: &Path, step: u64) -> Result<Self, CheckpointError> {
        let part = run.join(shelf::name(step) + PART);
        if part.exists() {
            fs::remove_dir_all(&part).map_err(CheckpointError::io("removing an unfinished checkpoint", &part))?;
        }
        fs::create_dir(&part).map_err(CheckpointError::io("making the checkpoint's folder", &part))?;
        Ok(Self { run: run.into(), step, part, files: BTreeMap::new() })
    }

    /// Adds a small file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, name: &str, content: &[u8]) -> Result<(), CheckpointError> {
        let mut file = self.begin(name)?;
        file.write(content)?;
        self.files.insert(name.into(), file.finish()?);
        Ok(())
    }

    /// Begins a safetensors file of f32 tensors, whose values are then written in the order of `specs`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn tensors(&mut self, name: &str, specs: &[TensorSpec]) -> Result<NewTensors<'_>, CheckpointError> {
        let mut file = self.begin(name)?;
        let (header, expected) = header(specs);
        file.write(&header)?;
        let expected = header.len() as u64 + expected;
        Ok(NewTensors { checkpoint: self, name: name.into(), file, expected })
    }

    /// Writes the manifest, waits until everything is on the disk, and gives the checkpoint its name; one of the same
    /// step stays until then.
    ///
    /// # Errors
    /// Something cannot be written.
    pub fn finish(self, description: Description) -> Result<PathBuf, CheckpointError> {
        let manifest = Manifest::new(self.step, description, self.files.clone());
        let mut file = self.begin(MANIFEST)?;
        file.write(&manifest.to_json())?;
        file.finish()?;
        let path = self.run.join(shelf::name(self.step));
        let old = self.run.join(shelf::name(self.step) + OLD);
        let io = |action| CheckpointError::io(action, &path);
        synchronise(&self.part).map_err(io("bringing the checkpoint to the disk"))?;
        shelf::remove(&old).map_err(io("removing what an earlier replacement left"))?;
        let replaces = path.exists();
        if replaces {
            fs::rename(&path, &old).map_err(io("replacing the checkpoint"))?;
        }
        if let Err(error) = fs::rename(&self.part, &path) {
            if replaces {
                // What was there comes back; that it could not be replaced is being reported.
                let _ = fs::rename(&old, &path);
            }
            return Err(io("naming the checkpoint")(error));
        }
        synchronise(&self.run).map_err(io("bringing the checkpoint to the disk"))?;
        shelf::remove(&old).map_err(io("removing the one that was replaced"))?;
        Ok(path)
    }

    fn begin(&self, name: &str) -> Result<Hashing, CheckpointError> {
        debug_assert!(is_plain(name), "{name} is a file's name");
        let path = self.part.join(name);
        let file = File::create(&path).map_err(CheckpointError::io("writing", &path))?;
        Ok(Hashing { path, file: BufWriter::with_capacity(1 << 18, file), hash: blake3::Hasher::new(), bytes: 0 })
    }
}

impl Drop for NewCheckpoint {
    fn drop(&mut self) {
        // Gone already if it was finished; else whatever led here is being reported.
        let _ = fs::remove_dir_all(&self.part);
    }
}

/// A safetensors file that is being written.
pub struct NewTensors<'a> {
    checkpoint: &'a mut NewCheckpoint,
    name: String,
    file: Hashing,
    expected: u64,
}

impl NewTensors<'_> {
    /// Adds values: little-endian f32, in any number of pieces.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write(&mut self, values: &[u8]) -> Result<(), CheckpointError> {
        self.file.write(values)
    }

    /// # Errors
    /// What was written cannot be brought to the disk.
    ///
    /// # Panics
    /// If values are missing, or there were too many.
    pub fn finish(self) -> Result<(), CheckpointError> {
        assert_eq!(self.file.bytes, self.expected, "{}: the values are not those of the shapes", self.name);
        let entry = self.file.finish()?;
        self.checkpoint.files.insert(self.name, entry);
        Ok(())
    }
}

/// A file whose size and hash are known when it ends.
struct Hashing {
    path: PathBuf,
    file: BufWriter<File>,
    hash: blake3::Hasher,
    bytes: u64,
}

impl Hashing {
    fn write(&mut self, content: &[u8]) -> Result<(), CheckpointError> {
        self.hash.update(content);
        self.bytes += content.len() as u64;
        self.file.write_all(content).map_err(CheckpointError::io("writing", &self.path))
    }

    fn finish(mut self) -> Result<FileEntry, CheckpointError> {
        let flushed = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        flushed.map_err(CheckpointError::io("writing", &self.path))?;
        Ok(FileEntry { bytes: self.bytes, blake3: self.hash.finalize().to_hex().to_string() })
    }
}

/// Names last only once their folder is on the disk too; elsewhere than on Unix a folder cannot be synchronised.
pub(super) fn synchronise(folder: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
