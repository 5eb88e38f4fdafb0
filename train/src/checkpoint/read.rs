//! A checkpoint that is whole.

use std::{io::Read, sync::Arc};

use super::{error::CheckpointError, manifest::Manifest, names, store::Store, tensors::Tensors};

/// A checkpoint whose files are what was written, to the byte.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    store: Arc<dyn Store>,
    name: String,
    manifest: Manifest,
}

impl Checkpoint {
    /// Reads all of the checkpoint `name` once, to see that it is whole.
    ///
    /// # Errors
    /// [`CheckpointError`] names the file that is missing or changed.
    pub fn open(store: &Arc<dyn Store>, name: &str) -> Result<Self, CheckpointError> {
        let manifest = Manifest::read(&**store, name)?;
        let checkpoint = Self { store: store.clone(), name: name.into(), manifest };
        for file in checkpoint.manifest.files.keys() {
            checkpoint.verify(file)?;
        }
        Ok(checkpoint)
    }

    fn verify(&self, file: &str) -> Result<(), CheckpointError> {
        let (entry, name) = (&self.manifest.files[file], names::file(&self.name, file));
        let (mut content, bytes) =
            self.store.open(&name).map_err(CheckpointError::io("opening", &*self.store, &name))?;
        if bytes != entry.bytes {
            return Err(self.broken(file, format!("has {bytes} bytes, and had {}", entry.bytes)));
        }
        let mut hash = blake3::Hasher::new();
        std::io::copy(&mut content, &mut hash).map_err(CheckpointError::io("reading", &*self.store, &name))?;
        if hash.finalize().to_hex().as_str() != entry.blake3 {
            return Err(self.broken(file, "was changed since it was written"));
        }
        Ok(())
    }

    /// Where it is, for people: a path on the disk, or a name in memory.
    pub fn location(&self) -> String {
        self.store.location(&self.name)
    }

    /// Its name in its store.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The store that it is in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Number of steps that the run had taken.
    pub fn step(&self) -> u64 {
        self.manifest.step
    }

    /// The content of a small file.
    ///
    /// # Errors
    /// The manifest does not list it, or it cannot be read.
    pub fn read(&self, file: &str) -> Result<Vec<u8>, CheckpointError> {
        let name = self.listed(file)?;
        let mut content = Vec::new();
        let read = self.store.open(&name).and_then(|(mut from, _)| from.read_to_end(&mut content));
        read.map_err(CheckpointError::io("reading", &*self.store, &name))?;
        Ok(content)
    }

    /// A file of tensors.
    ///
    /// # Errors
    /// As [`Checkpoint::read`], or it is no safetensors file of f32.
    pub fn tensors(&self, file: &str) -> Result<Tensors, CheckpointError> {
        Tensors::open(&*self.store, &self.listed(file)?)
    }

    /// What is wrong with one of its files, for one who understood it.
    pub(crate) fn broken(&self, file: &str, reason: impl ToString) -> CheckpointError {
        CheckpointError::broken(self.store.location(&names::file(&self.name, file)), reason)
    }

    fn listed(&self, file: &str) -> Result<String, CheckpointError> {
        match self.manifest.files.contains_key(file) {
            true => Ok(names::file(&self.name, file)),
            false => Err(self.broken(file, "is not in the checkpoint")),
        }
    }
}
