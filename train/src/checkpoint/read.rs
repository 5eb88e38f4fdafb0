//! A checkpoint that is whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{CheckpointError, Manifest, Tensors, file::open_regular};

/// A checkpoint whose files are what was written, to the byte.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    manifest: Manifest,
}

impl Checkpoint {
    /// Reads all of it once, to see that it is whole.
    ///
    /// # Errors
    /// [`CheckpointError`] names the file that is missing or changed.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let manifest = Manifest::read(path)?;
        for (name, entry) in &manifest.files {
            let path = &path.join(name);
            let (mut file, bytes) = open_regular("opening", path)?;
            if bytes != entry.bytes {
                return Err(CheckpointError::broken(path, format!("has {bytes} bytes, and had {}", entry.bytes)));
            }
            let mut hash = blake3::Hasher::new();
            std::io::copy(&mut file, &mut hash).map_err(CheckpointError::io("reading", path))?;
            if hash.finalize().to_hex().as_str() != entry.blake3 {
                return Err(CheckpointError::broken(path, "was changed since it was written"));
            }
        }
        Ok(Self { path: path.into(), manifest })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Steps until it.
    pub fn step(&self) -> u64 {
        self.manifest.step
    }

    /// A small file.
    ///
    /// # Errors
    /// The manifest does not list it, or it cannot be read.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, CheckpointError> {
        let path = self.listed(name)?;
        fs::read(&path).map_err(CheckpointError::io("reading", &path))
    }

    /// A file of tensors.
    ///
    /// # Errors
    /// As [`Checkpoint::read`], or it is no safetensors file of f32.
    pub fn tensors(&self, name: &str) -> Result<Tensors, CheckpointError> {
        Tensors::open(&self.listed(name)?)
    }

    /// What is wrong with one of its files, for one who understood it.
    pub(crate) fn broken(&self, name: &str, reason: impl ToString) -> CheckpointError {
        CheckpointError::broken(&self.path.join(name), reason)
    }

    fn listed(&self, name: &str) -> Result<PathBuf, CheckpointError> {
        let path = self.path.join(name);
        match self.manifest.files.contains_key(name) {
            true => Ok(path),
            false => Err(CheckpointError::broken(&path, "is not in the checkpoint")),
        }
    }
}
