//! A run: its configuration, tokens, checkpoints and log, as files in a folder hold them natively.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use hearth_data::{DataError, Tokenizer, TokenizerError};
use hearth_model::ParameterCount;
use hearth_train::{
    Origin, TrainConfig, TrainError,
    checkpoint::{Checkpoint, Memory, Store, clean, list, newest},
    engine::Data,
    session::{Identity, same_run},
};

use crate::{
    log::RunLog,
    messages::{CheckpointInfo, RunInfo, Settings, TokenizerName, count},
    settings::TEXT,
};

/// Name of the log in a run's folder.
pub const LOG: &str = "metrics.jsonl";
/// Name of the configuration in a run's folder and in a checkpoint.
pub const CONFIG: &str = "config.toml";
/// Name of the tokenizer there.
pub const TOKENIZER: &str = "tokenizer.json";

/// A run. A clone is the same run but for its configuration.
#[derive(Clone)]
pub struct Run {
    /// Its configuration.
    pub config: TrainConfig,
    /// What made its tokens.
    pub tokenizer: Tokenizer,
    /// What it learns from, where that is there.
    pub text: Option<Rc<str>>,
    /// Its checkpoints.
    pub checkpoints: Memory,
    /// What has happened.
    pub log: Rc<RefCell<RunLog>>,
}

/// A file of a run: `FILE` or `FOLDER/FILE`.
pub type NamedFile = (String, Vec<u8>);

impl Run {
    /// A run on a text that has not begun.
    ///
    /// # Errors
    /// Settings that do not go together.
    pub fn new(settings: &Settings, text: &Rc<str>) -> Result<Self, TrainError> {
        let tokenizer = match settings.tokenizer {
            TokenizerName::Char => Tokenizer::chars_of(text)?,
            TokenizerName::Byte => Tokenizer::byte(),
        };
        let config = settings.config(tokenizer.vocab_size())?;
        let (checkpoints, log) = (Memory::new(), Rc::default());
        Ok(Self { config, tokenizer, text: Some(text.clone()), checkpoints, log })
    }

    /// The run in these files, from its newest checkpoint that is whole, and what was passed over, in words; `None` where
    /// there is no checkpoint.
    ///
    /// # Errors
    /// No checkpoint that is whole, or one of a run that this page cannot read.
    pub fn of_files(files: Vec<NamedFile>) -> Result<Option<(Self, Vec<String>)>, TrainError> {
        let (mut text, mut log) = (None, RunLog::default());
        let memory = Memory::new();
        let as_text = |bytes: Vec<u8>| String::from_utf8(bytes).ok();
        for (name, content) in files {
            match name.as_str() {
                TEXT => text = as_text(content).map(Rc::from),
                LOG => log = RunLog::parse(&String::from_utf8_lossy(&content)),
                name if name.starts_with("step-") => drop(memory.insert(name, content)),
                _ => {}
            }
        }
        let store: Arc<dyn Store> = Arc::new(memory.clone());
        clean(&store)?;
        let mut notes = Vec::new();
        let mut first_error = None;
        let found = newest(&store, |name, error| {
            notes.push(format!("{name} was passed over: {error}"));
            first_error.get_or_insert_with(|| error.to_string());
        })?;
        let Some(checkpoint) = found else {
            return match first_error {
                Some(reason) => Err(TrainError::Resume { path: "the run".into(), reason }),
                None => Ok(None),
            };
        };
        let (config, tokenizer) = describe(&checkpoint)?;
        Ok(Some((Self { config, tokenizer, text, checkpoints: memory, log: Rc::new(RefCell::new(log)) }, notes)))
    }

    /// Its checkpoints as the session takes them.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.checkpoints.clone())
    }

    /// Takes a text for its own if it is the one that it has learned from. Returns whether it did.
    ///
    /// # Errors
    /// Checkpoints that cannot be read.
    pub fn adopt(&mut self, text: &Rc<str>) -> Result<bool, TrainError> {
        let own = newest(&self.store(), |_, _| ())?.map(|checkpoint| checkpoint.manifest().data.clone());
        // A character that is none of its own is another text's.
        let data = Data::of_text(&self.config, &self.tokenizer, text);
        let is_own =
            data.is_ok_and(|(_, hash)| own.is_some_and(|own| own == Identity::new(&self.tokenizer, hash).data));
        if is_own {
            self.text = Some(text.clone());
        }
        Ok(is_own)
    }

    /// Its batches, and where it goes on: at the newest checkpoint, or at its beginning.
    ///
    /// # Errors
    /// A text that is not there, or another than the checkpoint's.
    pub fn open(&self) -> Result<(Data, Identity, Origin), TrainError> {
        let missing = || TrainError::Resume {
            path: "the run".into(),
            reason: "its text is not here: choose the text that it has learned from".into(),
        };
        let text = self.text.as_ref().ok_or_else(missing)?;
        let (data, hash) = Data::of_text(&self.config, &self.tokenizer, text)?;
        let identity = Identity::new(&self.tokenizer, hash);
        let origin = match newest(&self.store(), |_, _| ())? {
            None => Origin::Seed,
            Some(checkpoint) => {
                if checkpoint.manifest().data != identity.data {
                    let reason = "the text is not the one that the run has learned from: choose that text";
                    return Err(TrainError::Resume { path: "the run".into(), reason: reason.into() });
                }
                same_run(&checkpoint, &self.config, &identity, false)?;
                Origin::open(checkpoint, &self.config)?
            }
        };
        Ok((data, identity, origin))
    }

    /// What the page is told of it.
    ///
    /// # Errors
    /// Checkpoints that cannot be read.
    pub fn info(&self, notes: Vec<String>) -> Result<RunInfo, TrainError> {
        let (settings, is_plain) = Settings::of(&self.config);
        let origin = newest(&self.store(), |_, _| ())?;
        let origin = origin.map(|checkpoint| Origin::open(checkpoint, &self.config)).transpose()?;
        let state = origin.map(|origin| origin.state()).unwrap_or_default();
        let log = self.log.borrow();
        Ok(RunInfo {
            settings,
            step: count(state.step),
            steps: count(self.config.total_steps()),
            seconds: state.seconds,
            parameters: ParameterCount::of(&self.config.model).total as f64,
            has_text: self.text.is_some(),
            figures: log.figures(),
            evaluations: log.evaluations(),
            samples: log.samples(),
            notes,
            checkpoints: self.checkpoint_infos()?,
            is_plain,
            config: self.config.to_toml(),
        })
    }

    /// Its checkpoints, the newest first.
    fn checkpoint_infos(&self) -> Result<Vec<CheckpointInfo>, TrainError> {
        let info = |(step, name): (u64, String)| CheckpointInfo { step: count(step), bytes: self.bytes_of(&name) };
        Ok(list(&self.store())?.into_iter().map(info).collect())
    }

    /// Bytes of a checkpoint's files.
    pub fn bytes_of(&self, folder: &str) -> f64 {
        let own = self.checkpoints.names().into_iter().filter(|name| name.split('/').next() == Some(folder));
        own.filter_map(|name| self.checkpoints.get(&name)).map(|content| content.len() as f64).sum()
    }

    /// All files of its folder, as a native run has them, and its text.
    pub fn files(&self) -> Vec<NamedFile> {
        let of_checkpoints = self.checkpoints.names().into_iter().filter_map(|name| {
            let content = self.checkpoints.get(&name)?.to_vec();
            Some((name, content))
        });
        self.small_files().into_iter().chain(of_checkpoints).collect()
    }

    /// Those beside its checkpoints.
    pub fn small_files(&self) -> Vec<NamedFile> {
        let file = |name: &str, content: Vec<u8>| (name.to_string(), content);
        let mut files = vec![
            file(CONFIG, self.config.to_toml().into_bytes()),
            file(TOKENIZER, serde_json::to_vec(&self.tokenizer).expect("a tokenizer has a JSON form")),
            file(LOG, self.log.borrow().to_text().into_bytes()),
        ];
        files.extend(self.text.as_ref().map(|text| file(TEXT, text.as_bytes().to_vec())));
        files
    }
}

/// The configuration and the tokenizer of a checkpoint's run.
fn describe(checkpoint: &Checkpoint) -> Result<(TrainConfig, Tokenizer), TrainError> {
    let refuse =
        |file: &str, reason: String| TrainError::Resume { path: format!("{}/{file}", checkpoint.location()), reason };
    let text = String::from_utf8(checkpoint.read(CONFIG)?).map_err(|error| refuse(CONFIG, error.to_string()))?;
    let mut config = TrainConfig::parse(&text, CONFIG, &[])?;
    // The text lies beside, whatever it was called where the run began.
    config.data.text = config.data.text.map(|_| TEXT.into());
    let tokenizer = Tokenizer::from_saved(&checkpoint.read(TOKENIZER)?).map_err(|error| match error {
        DataError::Tokenizer(TokenizerError::NotInBuild) => error.into(),
        error => refuse(TOKENIZER, error.to_string()),
    })?;
    Ok((config, tokenizer))
}
