//! What a session tells as it happens, and what it is given by its home.

use std::{future::ready, pin::Pin, time::Duration};

use hearth_model::Transformer;

use super::Metrics;
use crate::TrainError;

/// Something that happened. Native reports listen to it, and so does a page.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The figures of a step have arrived.
    Step(Metrics),
    /// The model was evaluated before the step of that number.
    Evaluation(Metrics),
    /// A text was drawn.
    Sample {
        /// Steps until it.
        step: u64,
        /// What it continues.
        prompt: String,
        /// The tokens that were drawn, decoded.
        text: String,
    },
    /// A checkpoint stands.
    Checkpoint {
        /// Steps until it.
        step: u64,
        /// Where it is.
        location: String,
    },
    /// A sentence for people about how the steps from here on are taken.
    Plan(String),
    /// A sentence for people.
    Note(String),
    /// A sentence for people about something that went wrong without ending the session.
    Trouble(String),
    /// The session goes back: what was told of this step and later ones will be told again.
    Rewind {
        /// Number of the step that comes next.
        step: u64,
        /// Whether the evaluation before it was done already, and will not be told again.
        evaluated: bool,
    },
}

/// What the home of a session wants of it at a step's boundary, besides what is due there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: another step.
    Continue,
    /// An evaluation, which counts neither as the best nor against patience: the run stays what it would have been.
    Evaluate,
    /// A text.
    Sample,
    /// A checkpoint; there is none before the first step, or between the averages of DiLoCo.
    Checkpoint,
    /// The figures of the step that is under way; the home is asked again when it has heard them. A home that is about to
    /// pause wishes for them first.
    Settle,
    /// A checkpoint before anything else, where the last loss is a number; the home is asked again when it stands. In a pause
    /// that may be long.
    Save,
    /// The model, by a call of [`Home::look`], after which the home is asked again.
    Look,
}

/// What a session is given by where it runs: ears, a clock and a say between steps.
pub trait Home {
    /// Hears of an event.
    ///
    /// # Errors
    /// What ends the session, as a metrics file on a full disk does.
    fn event(&mut self, event: Event) -> Result<(), TrainError>;

    /// Time since any fixed moment.
    fn now(&self) -> Duration;

    /// Asked before each step. A home that pauses the session answers when it is to go on.
    fn wish(&mut self) -> Pin<Box<dyn Future<Output = Wish> + '_>>;

    /// Waited for between the pieces of what takes longer than a step: the batches of an evaluation, the tokens of a text. A
    /// home on an event loop lets it turn.
    fn breathe(&mut self) -> Pin<Box<dyn Future<Output = ()> + '_>> {
        Box::pin(ready(()))
    }

    /// Whether the session is to end in order, with a checkpoint. Asked before each step; an evaluation or a text that is
    /// under way is given up.
    fn is_stopping(&self) -> bool;

    /// Is given the model, without autodiff, where it wished to [`Look`](Wish::Look) at it.
    ///
    /// # Errors
    /// What ends the session.
    fn look(&mut self, _model: Transformer) -> Pin<Box<dyn Future<Output = Result<(), TrainError>> + '_>> {
        Box::pin(ready(Ok(())))
    }

    /// Factor of the loss of `step`: 1, but where a test makes trouble.
    fn loss_factor(&mut self, _step: u64) -> f64 {
        1.0
    }
}
