//! A checkpoint that is being written: in a folder of another name, until all of it is safe.

use std::{
    collections::BTreeMap,
    io::{ErrorKind, Write},
    sync::Arc,
};

use super::{
    error::CheckpointError,
    manifest::{Description, FileEntry, MANIFEST, Manifest, is_plain},
    names::{self, OLD, PART},
    store::{NewFile, Store},
    tensors::{TensorSpec, header},
};

/// A checkpoint that is being written. One that is dropped before [`NewCheckpoint::finish`] leaves nothing behind.
pub struct NewCheckpoint {
    store: Arc<dyn Store>,
    step: u64,
    /// Name of the folder until the checkpoint is finished.
    part: String,
    files: BTreeMap<String, FileEntry>,
}

impl NewCheckpoint {
    /// Begins the checkpoint of a run's `step`.
    ///
    /// # Errors
    /// Its folder cannot be made.
    pub fn create(store: &Arc<dyn Store>, step: u64) -> Result<Self, CheckpointError> {
        let part = names::name(step) + PART;
        let io = |action| CheckpointError::io(action, &**store, &part);
        store.remove(&part).map_err(io("removing an unfinished checkpoint"))?;
        store.create(&part).map_err(io("making the checkpoint's folder"))?;
        Ok(Self { store: store.clone(), step, part, files: BTreeMap::new() })
    }

    /// Adds a small file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&mut self, name: &str, content: &[u8]) -> Result<(), CheckpointError> {
        let mut file = self.begin(name, content.len() as u64)?;
        file.write(content)?;
        self.files.insert(name.into(), file.finish()?);
        Ok(())
    }

    /// Begins a safetensors file of f32 tensors, whose values are then written in the order of `specs`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn tensors(&mut self, name: &str, specs: &[TensorSpec]) -> Result<NewTensors<'_>, CheckpointError> {
        let (header, values) = header(specs);
        let expected = header.len() as u64 + values;
        let mut file = self.begin(name, expected)?;
        file.write(&header)?;
        Ok(NewTensors { files: &mut self.files, name: name.into(), file, expected })
    }

    /// Writes the manifest, waits until everything is safe, and gives the checkpoint its name, which is returned; one of
    /// the same step stays until then.
    ///
    /// # Errors
    /// Something cannot be written.
    pub fn finish(self, description: Description) -> Result<String, CheckpointError> {
        let manifest = Manifest::new(self.step, description, self.files.clone());
        self.finish_as(&manifest)
    }

    /// As [`NewCheckpoint::finish`], with this manifest.
    pub(super) fn finish_as(self, manifest: &Manifest) -> Result<String, CheckpointError> {
        let json = manifest.to_json();
        let mut file = self.begin(MANIFEST, json.len() as u64)?;
        file.write(&json)?;
        file.finish()?;
        let (store, part, name) = (&*self.store, &self.part, names::name(self.step));
        let old = name.clone() + OLD;
        let io = |action| CheckpointError::io(action, store, &name);
        store.sync(part).map_err(io("bringing the checkpoint to the disk"))?;
        store.remove(&old).map_err(io("removing what an earlier replacement left"))?;
        let replaces = match store.rename(&name, &old) {
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            renamed => renamed.map(|()| true).map_err(io("replacing the checkpoint"))?,
        };
        if let Err(error) = store.rename(part, &name) {
            if replaces {
                // What was there comes back; that it could not be replaced is being reported.
                let _ = store.rename(&old, &name);
            }
            return Err(io("naming the checkpoint")(error));
        }
        store.sync("").map_err(io("bringing the checkpoint to the disk"))?;
        store.remove(&old).map_err(io("removing the one that was replaced"))?;
        Ok(name)
    }

    /// Begins a file of about `bytes`.
    pub(super) fn begin(&self, file: &str, bytes: u64) -> Result<HashedFile, CheckpointError> {
        debug_assert!(is_plain(file), "{file} is a file's name");
        let (store, name) = (self.store.clone(), names::file(&self.part, file));
        let file = store.begin(&name, bytes).map_err(CheckpointError::io("writing", &*store, &name))?;
        Ok(HashedFile { store, name, file, hash: blake3::Hasher::new(), bytes: 0 })
    }
}

impl Drop for NewCheckpoint {
    fn drop(&mut self) {
        // Gone already if it was finished; else whatever led here is being reported.
        let _ = self.store.remove(&self.part);
    }
}

/// A safetensors file that is being written.
pub struct NewTensors<'a> {
    files: &'a mut BTreeMap<String, FileEntry>,
    name: String,
    file: HashedFile,
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

    /// Ends the file.
    ///
    /// # Errors
    /// What was written cannot be made to last.
    ///
    /// # Panics
    /// If values are missing, or there were too many.
    pub fn finish(self) -> Result<(), CheckpointError> {
        assert_eq!(self.file.bytes, self.expected, "{}: the values are not those of the shapes", self.name);
        let entry = self.file.finish()?;
        self.files.insert(self.name, entry);
        Ok(())
    }
}

/// A file whose size and hash are known when it ends.
pub(super) struct HashedFile {
    store: Arc<dyn Store>,
    name: String,
    file: Box<dyn NewFile>,
    hash: blake3::Hasher,
    bytes: u64,
}

impl HashedFile {
    pub fn write(&mut self, content: &[u8]) -> Result<(), CheckpointError> {
        self.hash.update(content);
        self.bytes += content.len() as u64;
        self.file.write_all(content).map_err(CheckpointError::io("writing", &*self.store, &self.name))
    }

    /// Makes the content last.
    pub fn finish(self) -> Result<FileEntry, CheckpointError> {
        self.file.finish().map_err(CheckpointError::io("writing", &*self.store, &self.name))?;
        Ok(FileEntry { bytes: self.bytes, blake3: self.hash.finalize().to_hex().to_string() })
    }
}
