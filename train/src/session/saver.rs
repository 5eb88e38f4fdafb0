//! Checkpoints that are to be written, and who writes them.

use std::sync::Arc;

use super::{Identity, RunState};
use crate::{
    TrainError,
    checkpoint::{Description, KernelChoices, NewCheckpoint, Retention, Snapshot, Store, retain},
    config::CheckpointConfig,
};

/// A checkpoint that is to be written.
pub struct Unwritten {
    /// Numbers of the session.
    pub state: RunState,
    /// Tensors, which have arrived in host memory.
    pub snapshot: Snapshot,
    /// Kernels that were chosen.
    pub kernels: KernelChoices,
}

/// A checkpoint that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Steps until it.
    pub step: u64,
    /// Where it is, for people.
    pub location: String,
}

/// What all checkpoints of a run have in common.
#[derive(Clone, Debug)]
pub struct Common {
    /// `config.toml`.
    pub config: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// Hashes of the data.
    pub identity: Identity,
    /// Name and driver of the first rank's device.
    pub adapter: String,
    /// Which checkpoints stay.
    pub settings: CheckpointConfig,
}

impl Common {
    /// Writes a checkpoint, and removes those that need not stay.
    ///
    /// # Errors
    /// What cannot be written; what stood before still stands.
    pub fn write(&self, store: &Arc<dyn Store>, checkpoint: Unwritten) -> Result<Written, TrainError> {
        let Unwritten { state, snapshot, kernels } = checkpoint;
        let mut new = NewCheckpoint::create(store, state.step)?;
        new.write("config.toml", &self.config)?;
        new.write("tokenizer.json", &self.tokenizer)?;
        snapshot.write(&mut new)?;
        if !kernels.is_empty() {
            new.write("kernels.json", &kernels.to_json())?;
        }
        new.write("state.json", &serde_json::to_vec_pretty(&state).expect("numbers under fixed names"))?;
        let name = new.finish(Description {
            adapter: self.adapter.clone(),
            tokenizer: self.identity.tokenizer.clone(),
            data: self.identity.data.clone(),
        })?;
        let best = state.best.filter(|_| self.settings.keep_best).map(|best| best.step);
        let CheckpointConfig { keep_last, keep_every, .. } = self.settings;
        retain(store, state.step, &Retention { last: keep_last, every: keep_every, best })?;
        Ok(Written { step: state.step, location: store.location(&name) })
    }
}

/// Who writes the checkpoints of a session; at most one is being written.
pub trait Saver {
    /// Begins to write a checkpoint, after [`Saver::wait`] of the one before.
    fn save(&mut self, checkpoint: Unwritten);

    /// A checkpoint that has been written since the last call, or why one was not.
    fn news(&mut self) -> Option<Result<Written, TrainError>>;

    /// As [`Saver::news`], but waits until nothing is being written.
    fn wait(&mut self) -> Option<Result<Written, TrainError>>;
}

/// A saver that writes at once.
pub struct DirectSaver {
    store: Arc<dyn Store>,
    common: Common,
    news: Option<Result<Written, TrainError>>,
}

impl DirectSaver {
    /// A saver of a run's checkpoints into `store`.
    pub fn new(store: Arc<dyn Store>, common: Common) -> Self {
        Self { store, common, news: None }
    }
}

impl Saver for DirectSaver {
    fn save(&mut self, checkpoint: Unwritten) {
        self.news = Some(self.common.write(&self.store, checkpoint));
    }

    fn news(&mut self) -> Option<Result<Written, TrainError>> {
        self.news.take()
    }

    fn wait(&mut self) -> Option<Result<Written, TrainError>> {
        self.news.take()
    }
}
