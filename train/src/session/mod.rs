//! A session is what a run is, wherever it runs: the loop over steps, with evaluations, samples and checkpoints between
//! them, and what it tells as they happen.
//!
//! It needs no file, thread, clock or terminal: an [`Engine`] takes its steps, a [`Saver`] writes its checkpoints, and its
//! [`Home`] has the clock, hears its [`Event`]s, and says at each step's boundary whether it goes on. `hearth train` is one
//! home; a worker in a browser is another.
//!
//! It is asynchronous, for in a browser nothing can wait for a device. At most two steps are in flight: the figures of one
//! are read when the next is queued.

mod assignment;
mod checkpoints;
mod engine;
mod events;
mod identity;
mod metrics;
mod origin;
mod record;
mod saver;
mod state;
mod steps;
mod text;
mod throughput;

use std::{sync::Arc, time::Duration};

use hearth_data::Tokenizer;
use hearth_model::{Flops, Transformer};

pub use assignment::{Assignment, SavedAssignment};
pub use engine::{Answer, DeviceSummary, Engine, Queued, StepOrder};
pub use events::{Event, Home, Wish};
pub use identity::{Identity, differences, fields};
pub use metrics::{DeviceFigures, Metrics};
pub use origin::{Origin, fitting_model, same_run};
pub use record::{EndReason, LogEntry, Record};
pub use saver::{Common, DirectSaver, Saver, Unwritten, Written};
pub use state::{Best, RunState};
pub use text::{DrawOptions, Drawn, Prompt, TextEnd, draw, draw_on};

use crate::{TrainConfig, TrainError};
use throughput::Throughput;

/// A run, by what it is made of.
pub struct Session {
    config: Arc<TrainConfig>,
    tokenizer: Tokenizer,
    /// Whatever takes the steps. Another may take its place between two calls of [`Session::train`].
    pub engine: Box<dyn Engine>,
    /// Whoever writes the checkpoints; likewise.
    pub saver: Box<dyn Saver>,
    /// Where it runs.
    pub home: Box<dyn Home>,
    state: RunState,
    figures: SessionFigures,
    attempt: Attempt,
}

/// What is measured over all attempts.
struct SessionFigures {
    throughput: Throughput,
    last_loss: f64,
    last_evaluation: Option<Best>,
    first_and_tenth: [Option<f64>; 2],
}

/// What is known of the attempt at hand: from one origin until the end, or until it goes back.
#[derive(Default)]
struct Attempt {
    start: Duration,
    /// Number of its first step.
    first: u64,
    /// The step at which a checkpoint let it go on: what is due there was done before that was made.
    begun_at: Option<u64>,
    /// A checkpoint that waits for the loss of its own weights, so that none is written that is no number.
    unwritten: Option<Unwritten>,
    /// The last step that has a checkpoint.
    saved: Option<u64>,
    /// The last evaluation: its step and loss.
    evaluated: Option<(u64, f64)>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its limit was reached.
    Limit,
    /// Its home wished so.
    Stopped,
    /// `evaluation.patience` evaluations in a row were no better than the best.
    OutOfPatience,
}

/// What a session came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub end: End,
    /// Loss over the validation batches at the end, nats per token; `None` where there are none.
    pub val_loss: Option<f64>,
    /// The model, without autodiff.
    pub model: Transformer,
}

impl Session {
    /// A session of `config` that has not begun.
    pub fn new(
        config: Arc<TrainConfig>,
        tokenizer: Tokenizer,
        engine: Box<dyn Engine>,
        saver: Box<dyn Saver>,
        home: Box<dyn Home>,
    ) -> Self {
        let figures = SessionFigures {
            throughput: Throughput::default(),
            last_loss: f64::NAN,
            last_evaluation: None,
            first_and_tenth: [None; 2],
        };
        let (state, attempt) = (RunState::default(), Attempt::default());
        Self { config, tokenizer, engine, saver, home, state, figures, attempt }
    }

    /// Trains from `origin` to the end.
    ///
    /// `state` is where it begins: [`Origin::state`], but for what the home changes, as the data that a run goes on with
    /// after it went back.
    ///
    /// # Errors
    /// Some are not the end: the home may call again, from a checkpoint, with another engine.
    pub async fn train(&mut self, origin: &Origin, state: RunState) -> Result<Outcome, TrainError> {
        let saved = matches!(origin, Origin::Checkpoint(..)).then_some(state.step);
        let begun_at = saved.filter(|_| !state.owes_evaluation);
        self.attempt = Attempt { start: self.home.now(), first: state.step, begun_at, saved, ..Attempt::default() };
        self.state = RunState { owes_evaluation: false, ..state };
        self.tell(Event::Rewind { step: self.state.step, evaluated: begun_at.is_some() })?;
        if let Some(loss) = self.state.guard.last_loss() {
            self.figures.last_loss = loss.into();
        }
        for plan in self.engine.begin(origin)? {
            self.tell(Event::Plan(plan))?;
        }
        let context = self.config.model.context_length;
        let flops_per_token = Flops::per_sequence(&self.config.model, context).training / context as f64;
        self.figures.throughput.set_devices(self.engine.flops(), flops_per_token);
        let end = self.steps().await?;
        self.end(end).await
    }

    /// The configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The numbers it is in the middle of.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// Loss of the last step, nats per token; NaN before the first.
    pub fn last_loss(&self) -> f64 {
        self.figures.last_loss
    }

    /// The best evaluation, the last one included.
    pub fn best(&self) -> Option<Best> {
        let all = [self.state.best, self.figures.last_evaluation].into_iter().flatten();
        all.filter(|best| best.loss.is_finite()).min_by(|a, b| a.loss.total_cmp(&b.loss))
    }

    /// Training tokens a second, without evaluations, samples and the first steps.
    pub fn tokens_per_second(&self) -> Option<f64> {
        self.figures.throughput.mean()
    }

    /// Seconds from the start of an attempt until its first step's loss was there, and until its tenth's.
    pub fn first_and_tenth(&self) -> [Option<f64>; 2] {
        self.figures.first_and_tenth
    }

    /// Wall time of the run, that before a resumption included, in seconds.
    pub fn seconds(&self) -> f64 {
        self.state.seconds + self.elapsed().as_secs_f64()
    }

    fn elapsed(&self) -> Duration {
        self.home.now().saturating_sub(self.attempt.start)
    }

    /// Tells the home of an event.
    ///
    /// # Errors
    /// What ends the session.
    pub fn tell(&mut self, event: Event) -> Result<(), TrainError> {
        self.home.event(event)
    }
}
