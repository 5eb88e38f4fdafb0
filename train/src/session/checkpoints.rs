//! Checkpoints of a session: the state is copied out, waits for the loss of its own weights, and is written.

use std::sync::Arc;

use super::{Event, Identity, RunState, Session};
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

impl Session {
    /// Copies out the state before the next step; the figures of the step before may be on their way.
    pub(super) fn snapshot(&mut self) -> Result<(), TrainError> {
        if self.attempt.saved == Some(self.state.step) {
            return Ok(());
        }
        // One copy of the state in host memory is enough: where the disk is that slow, the step waits for it.
        self.finish_writing()?;
        let state =
            RunState { seconds: self.seconds(), assignment: self.engine.assignment().into(), ..self.state.clone() };
        let kernels = self.engine.kernels()?;
        self.attempt.unwritten = Some(Unwritten { state, snapshot: self.engine.snapshot()?, kernels });
        Ok(())
    }

    /// After `step`: gives the checkpoint what it lacks, and then to the saver.
    pub(super) async fn save_after(&mut self, step: u64, loss: f64) -> Result<(), TrainError> {
        let Some(mut checkpoint) = self.attempt.unwritten.take() else { return Ok(()) };
        if checkpoint.state.step == step + 1 {
            checkpoint.state.guard = self.state.guard.clone();
            self.attempt.unwritten = Some(checkpoint);
        } else if loss.is_finite() {
            // The copies came before this step's loss; the device is at work on the next step.
            self.save(checkpoint).await?;
        } else {
            self.tell(Event::Trouble(format!("no checkpoint of step {step}: its loss is {loss}")))?;
        }
        Ok(())
    }

    pub(super) async fn save(&mut self, mut checkpoint: Unwritten) -> Result<(), TrainError> {
        checkpoint.snapshot.arrive().await;
        self.attempt.saved = Some(checkpoint.state.step);
        self.saver.save(checkpoint);
        Ok(())
    }

    /// Waits for the checkpoint that is being written.
    ///
    /// # Errors
    /// Those of the home that hears of it.
    pub fn finish_writing(&mut self) -> Result<(), TrainError> {
        while let Some(news) = self.saver.wait() {
            self.tell_of_checkpoint(news)?;
        }
        Ok(())
    }

    pub(super) fn hear_of_checkpoints(&mut self) -> Result<(), TrainError> {
        while let Some(news) = self.saver.news() {
            self.tell_of_checkpoint(news)?;
        }
        Ok(())
    }

    fn tell_of_checkpoint(&mut self, news: Result<Written, TrainError>) -> Result<(), TrainError> {
        let event = match news {
            Ok(Written { step, location }) => Event::Checkpoint { step, location },
            Err(error) => {
                self.attempt.saved = None;
                Event::Trouble(format!("warning: a checkpoint was not written, and the run goes on: {error}"))
            }
        };
        self.tell(event)
    }
}
