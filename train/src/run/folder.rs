//! What a run leaves behind, and how it is read again.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
};

use burn::tensor::Device;
use hearth_data::Tokenizer;
use hearth_model::{Transformer, weights};

use crate::{
    TrainConfig, TrainError,
    checkpoint::{Folder, Store},
    files,
};

const CONFIG: &str = "config.toml";
const TOKENIZER: &str = "tokenizer.json";
const MODEL: &str = "model.safetensors";
const KERNELS: &str = "kernels.db";
/// Held by the process that trains.
const LOCK: &str = ".lock";

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// `base`, or the first of `base-2`, `base-3`, .. that holds no run yet.
    pub fn free(base: impl Into<PathBuf>) -> PathBuf {
        numbered(base.into()).find(|path| !path.join(CONFIG).exists()).expect("numbers do not end")
    }

    /// The last of `base`, `base-2`, `base-3`, .. that holds a run; `base` if none does.
    pub fn latest(base: impl Into<PathBuf>) -> PathBuf {
        let base = base.into();
        numbered(base.clone()).take_while(|path| path.join(CONFIG).exists()).last().unwrap_or(base)
    }

    /// Makes the folder for a new run.
    ///
    /// # Errors
    /// A folder that cannot be made or written, or that holds a run already.
    pub fn create(path: PathBuf) -> Result<Self, TrainError> {
        if path.join(CONFIG).exists() {
            return Err(TrainError::RunExists { path });
        }
        fs::create_dir_all(&path).map_err(|cause| io("making the run's folder", &path, cause))?;
        Ok(Self { path })
    }

    /// Makes the folder for a run that begins anew, whatever an earlier attempt has left there.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn renew(path: PathBuf) -> Result<Self, TrainError> {
        fs::create_dir_all(&path).map_err(|cause| io("making the run's folder", &path, cause))?;
        Ok(Self { path })
    }

    /// The folder of a run that was made earlier.
    pub fn existing(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes sure that no other process trains here for as long as the file that is returned is open.
    ///
    /// # Errors
    /// One does, or the folder cannot be written.
    pub(super) fn claim(&self) -> Result<File, TrainError> {
        let path = self.path.join(LOCK);
        let file = File::create(&path).map_err(|cause| io("claiming the run's folder", &path, cause))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(TrainError::RunBusy { path: self.path.clone() }),
            Err(TryLockError::Error(cause)) => Err(io("claiming the run's folder", &path, cause)),
        }
    }

    /// The store of its checkpoints.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(Folder::new(&self.path))
    }

    /// The file that keeps the run's choices of kernels while it lasts.
    pub(super) fn kernels(&self) -> PathBuf {
        self.path.join(KERNELS)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the effective configuration.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_config(&self, config: &TrainConfig) -> Result<(), TrainError> {
        self.write(CONFIG, config.to_toml().as_bytes())
    }

    /// Writes the tokenizer.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_tokenizer(&self, tokenizer: &Tokenizer) -> Result<(), TrainError> {
        self.write(TOKENIZER, &Self::tokenizer_json(tokenizer))
    }

    /// What the tokenizer's file holds.
    pub(super) fn tokenizer_json(tokenizer: &Tokenizer) -> Vec<u8> {
        serde_json::to_vec(tokenizer).expect("a tokenizer is plain values")
    }

    /// Writes the weights as safetensors. The model must be without autodiff.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_model(&self, model: &Transformer) -> Result<(), TrainError> {
        let path = self.path.join(MODEL);
        weights::save(model, &path)?;
        files::sync_folder_of(&path).map_err(|cause| io("writing", &path, cause))
    }

    /// The configuration, the tokenizer and the trained model, on `device`.
    ///
    /// # Errors
    /// A file that is missing, broken or does not fit the others.
    pub fn load(&self, device: &Device) -> Result<(TrainConfig, Tokenizer, Transformer), TrainError> {
        let config = TrainConfig::read(&self.path.join(CONFIG), &[])?;
        let path = self.path.join(TOKENIZER);
        let json = fs::read(&path).map_err(|cause| io("reading the tokenizer", &path, cause))?;
        let tokenizer: Tokenizer = serde_json::from_slice(&json).map_err(|error| TrainError::Config {
            source_name: path.display().to_string(),
            reason: error.to_string(),
        })?;
        let mut model = config.model.init(0, device)?;
        weights::load(&mut model, &self.path.join(MODEL))?;
        Ok((config, tokenizer, model))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        let path = self.path.join(name);
        files::write_whole(&path, bytes).map_err(|cause| io("writing", &path, cause))
    }
}

fn numbered(base: PathBuf) -> impl Iterator<Item = PathBuf> {
    let more = base.clone();
    let numbered = (2..).map(move |number| {
        let mut name = more.clone().into_os_string();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    });
    std::iter::once(base).chain(numbered)
}

fn io(action: &'static str, path: &Path, cause: std::io::Error) -> TrainError {
    TrainError::Io { action, path: path.into(), cause }
}
