//! What a run leaves behind, and how it is read again.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use burn::tensor::Device;
use hearth_data::Tokenizer;
use hearth_model::{
    Positions, Transformer,
    weights::{self, PeftAdapter},
};

use super::{
    foreign::refuse_foreign,
    published::{self, is_published},
    trained_model::TrainedModel,
};
use crate::{
    TrainConfig, TrainError,
    base::{Base, beside},
    checkpoint::{self, Folder, Store},
    engine, files, report,
};

const CONFIG: &str = "config.toml";
const TOKENIZER: &str = "tokenizer.json";
const METRICS: &str = "metrics.jsonl";
const MODEL: &str = "model.safetensors";
/// What a checkpoint has, and a run's own folder has not.
const OPTIMIZER: &str = "optimizer.safetensors";
const KERNELS: &str = "kernels.db";
/// Held by the process that trains.
const LOCK: &str = ".lock";
/// Longer than anybody looks at the lock without training.
const GLANCE: Duration = Duration::from_millis(50);

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Where the next run of the configuration `name` goes, in the folder `runs`: `name`, then `name-2`, `name-3`, ..
    ///
    /// A name that ends like that itself gets a number from its first run on, `name-2-1`, so that no configuration takes
    /// another's run for its own. The number is above that of every run that is there.
    pub fn next(runs: &Path, name: &OsStr) -> PathBuf {
        runs.join(numbered(name, last_run(runs, name).map_or(1, |last| last + 1)))
    }

    /// The last run of the configuration `name` in the folder `runs`; where its first will go if there is none.
    pub fn latest(runs: &Path, name: &OsStr) -> PathBuf {
        runs.join(numbered(name, last_run(runs, name).unwrap_or(1)))
    }

    /// Where a run goes that finds this folder taken: the next number.
    pub(super) fn after(path: &Path) -> PathBuf {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let numbered = name.rsplit_once('-').and_then(|(name, number)| Some((name, number.parse::<u64>().ok()?)));
        path.with_file_name(match numbered {
            Some((name, number)) => format!("{name}-{}", number.saturating_add(1)),
            None => format!("{name}-2"),
        })
    }

    /// Makes the folder for a new run; one that was stopped before its first figures may have left something there.
    ///
    /// # Errors
    /// A folder that cannot be made or written, or that holds a run already, or another `config.toml`.
    pub fn create(path: PathBuf) -> Result<Self, TrainError> {
        let folder = Self { path };
        if folder.holds_a_run() {
            return Err(TrainError::RunExists { path: folder.path });
        }
        fs::create_dir_all(&folder.path).map_err(|cause| io("making the run's folder", &folder.path, cause))?;
        Ok(folder)
    }

    /// Whether there is a run, or a configuration of somebody's own; not so where a run was to begin and came to nothing.
    pub(super) fn holds_a_run(&self) -> bool {
        let has_weights =
            self.path.join(MODEL).exists() || checkpoint::list(&self.store()).map_or(true, |found| !found.is_empty());
        let is_unbegun = || report::read(&self.path.join(METRICS)).is_ok_and(|figures| figures.is_empty());
        self.has_config() && (has_weights || !is_unbegun())
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
        let mut tried = file.try_lock();
        if matches!(tried, Err(TryLockError::WouldBlock)) {
            // It may be `is_claimed` that looks, for a moment.
            thread::sleep(GLANCE);
            tried = file.try_lock();
        }
        match tried {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(TrainError::RunBusy { path: self.path.clone() }),
            Err(TryLockError::Error(cause)) => Err(io("claiming the run's folder", &path, cause)),
        }
    }

    /// Whether a process trains here.
    pub fn is_claimed(&self) -> bool {
        let file = File::open(self.path.join(LOCK));
        file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The name of the run, which is that of its folder.
    pub fn name(&self) -> String {
        let full = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        full.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
    }

    /// The effective configuration.
    ///
    /// # Errors
    /// There is no run, or its configuration cannot be read.
    pub fn config(&self) -> Result<TrainConfig, TrainError> {
        refuse_foreign(&self.path)?;
        TrainConfig::read(&self.path.join(CONFIG), &[])
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

    /// Whether a run has begun here.
    pub(super) fn has_config(&self) -> bool {
        self.path.join(CONFIG).exists()
    }

    /// Removes the files that were made for a run that did not begin, and the folder if nothing else is there.
    pub(super) fn discard(&self) {
        for name in [CONFIG, TOKENIZER, METRICS, KERNELS, LOCK] {
            // Not all of them were made.
            let _ = fs::remove_file(self.path.join(name));
        }
        let _ = fs::remove_dir(&self.path);
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

    /// Writes the weights as safetensors: those that were trained, where the others are a base's. The model must be without autodiff.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_model(&self, config: &TrainConfig, model: &Transformer) -> Result<(), TrainError> {
        let path = self.path.join(MODEL);
        match model.config().adapter {
            Some(_) => weights::save_some(model, &trained(config), &path)?,
            None => weights::save(model, &path)?,
        }
        files::sync_folder_of(&path).map_err(|cause| io("writing", &path, cause))
    }

    /// The configuration, the tokenizer and the trained model, on `device`; with `optimizer.average` its averages. Of a run that has not come to its end, as while it
    /// trains or after a kill, those of its newest whole checkpoint; the folder may be a checkpoint's own, too, or a published model:
    /// a folder as Hugging Face's library has them, or a file of GGUF.
    ///
    /// # Errors
    /// A file that is missing, broken or does not fit the others.
    pub fn load(&self, device: &Device) -> Result<TrainedModel, TrainError> {
        if PeftAdapter::is_at(&self.path) {
            return self.load_adapter(device);
        }
        if is_published(&self.path) {
            return published::load(&self.path, device);
        }
        refuse_foreign(&self.path)?;
        if self.path.join(MODEL).exists() {
            return self.load_files(device);
        }
        let found = checkpoint::newest(&self.store(), |_, _| {})?;
        let checkpoint = found.ok_or_else(|| TrainError::Config {
            source_name: self.path.display().to_string(),
            reason: format!(
                "holds neither {MODEL} nor a checkpoint: give the folder that `hearth train` made, as runs/NAME"
            ),
        })?;
        let folder = Self::existing(self.path.join(checkpoint.name()));
        let loaded = folder.load_files(device)?;
        Ok(TrainedModel { note: Some(format!("the weights are those of {}", checkpoint.location())), ..loaded })
    }

    /// The adapters of PEFT's that are here, and the model that they are beside.
    fn load_adapter(&self, device: &Device) -> Result<TrainedModel, TrainError> {
        let adapter = PeftAdapter::open(&self.path)?;
        let from = beside(&self.path, &adapter)?;
        let base = Self::existing(from.clone()).load(device)?;
        let model = adapter.beside(base.model)?;
        let config = TrainConfig { from: Some(from), ..TrainConfig::new(model.config().clone()) };
        Ok(TrainedModel { config, model, ..base })
    }

    fn load_files(&self, device: &Device) -> Result<TrainedModel, TrainError> {
        let mut config = TrainConfig::read(&self.path.join(CONFIG), &[])?;
        if let (Some(from), Positions::Rope) = (&config.from, config.model.positions)
            && let Ok(base) = Base::open(from)
        {
            // Trained in shorter windows, it still reads as far as what it began with.
            config.model.context_length = config.model.context_length.max(base.config().context_length);
        }
        let path = self.path.join(TOKENIZER);
        let json = fs::read(&path).map_err(|cause| io("reading the tokenizer", &path, cause))?;
        let tokenizer: Tokenizer = serde_json::from_slice(&json).map_err(|error| TrainError::Config {
            source_name: path.display().to_string(),
            reason: error.to_string(),
        })?;
        let weights = self.path.join(MODEL);
        let mut model = match config.model.adapter {
            Some(_) => {
                let mut model = engine::first_model(&config, device)?;
                weights::load_some(&mut model, &trained(&config), &weights)?;
                model
            }
            None => {
                let mut model = config.model.init(0, device)?;
                weights::load(&mut model, &weights)?;
                model
            }
        };
        // A run's own weights are its averages; a checkpoint's are those that it goes on with.
        if config.optimizer.average > 0.0
            && let Some((store, name)) = self.as_checkpoint()
        {
            model = checkpoint::with_averages(model, &store, &name)?;
        }
        let told = config.from.as_ref().map(|_| published::told_at(&self.path)).filter(|told| is_published(told));
        let first = told.and_then(|told| published::first_token(&told, &tokenizer));
        Ok(TrainedModel { config, tokenizer, model, first, note: None })
    }

    /// Where it is as a checkpoint, if it is one.
    fn as_checkpoint(&self) -> Option<(Folder, String)> {
        self.path.join(OPTIMIZER).exists().then(|| Folder::of(&self.path).ok()).flatten()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), TrainError> {
        let path = self.path.join(name);
        files::write_whole(&path, bytes).map_err(|cause| io("writing", &path, cause))
    }
}

/// The name of run `number` of the configuration `name`.
fn numbered(name: &OsStr, number: u64) -> OsString {
    let is_numbered = name.to_string_lossy().rsplit_once('-').is_some_and(|(_, end)| end.parse::<u64>().is_ok());
    let mut numbered = name.to_owned();
    if number > 1 || is_numbered {
        numbered.push(format!("-{number}"));
    }
    numbered
}

/// The number of the last run of the configuration `name`.
fn last_run(runs: &Path, name: &OsStr) -> Option<u64> {
    let entries = fs::read_dir(runs).ok()?.flatten().filter(|entry| entry.path().join(CONFIG).exists());
    let number = |entry: fs::DirEntry| {
        let found = entry.file_name();
        let end = found.to_string_lossy().rsplit_once('-').and_then(|(_, end)| end.parse().ok());
        [1, end.unwrap_or(1)].into_iter().find(|number| numbered(name, *number) == found)
    };
    entries.filter_map(number).max()
}

/// The names of the parameters that are trained.
fn trained(config: &TrainConfig) -> Vec<String> {
    config.trained().map(|it| it.name).collect()
}

fn io(action: &'static str, path: &Path, cause: std::io::Error) -> TrainError {
    TrainError::Io { action, path: path.into(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_configuration_takes_anothers_run() {
        let runs = tempfile::tempdir().unwrap();
        let runs = runs.path();
        let make = |name: &str| {
            let path = RunFolder::next(runs, name.as_ref());
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(CONFIG), "").unwrap();
            path.file_name().unwrap().to_str().unwrap().to_string()
        };
        let latest = |name: &str| RunFolder::latest(runs, name.as_ref()).strip_prefix(runs).unwrap().to_path_buf();
        let made = ["exp", "exp", "exp-2", "exp-2", "exp-2-1", "exp", "exp-x", "exp-02"].map(make);
        assert_eq!(made, ["exp", "exp-2", "exp-2-1", "exp-2-2", "exp-2-1-1", "exp-3", "exp-x", "exp-02-1"]);
        let found = ["exp", "exp-2", "exp-2-1", "exp-x", "exp-02", "new", "new-7"].map(latest);
        assert_eq!(found, ["exp-3", "exp-2-2", "exp-2-1-1", "exp-x", "exp-02-1", "new", "new-7-1"].map(PathBuf::from));
        let after = ["runs/exp", "exp-2", "exp-2-1"].map(|path| RunFolder::after(Path::new(path)));
        assert_eq!(after, ["runs/exp-2", "exp-3", "exp-2-2"].map(PathBuf::from));
        // A number is not given again while a later run stands.
        fs::remove_dir_all(runs.join("exp")).unwrap();
        assert_eq!((latest("exp"), make("exp")), ("exp-3".into(), "exp-4".into()));
    }
}
