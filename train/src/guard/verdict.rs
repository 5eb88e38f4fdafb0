//! What follows from a step's figures.

use std::fmt;

use super::Figures;

/// What follows from a step's figures.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// The update was left out; why, in words.
    LeftOut(String),
    /// Updates were left out too often: the run is to go back to its last checkpoint.
    GoBack(BadSteps),
    /// The run has diverged.
    Diverged(Divergence),
}

/// Steps in a row whose loss or gradient is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BadSteps {
    /// What the last of them came to.
    pub last: Figures,
    /// How many they are.
    pub in_a_row: u64,
}

impl fmt::Display for BadSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, the last of {} in a row", self.last.left_out(), self.in_a_row)
    }
}

impl Figures {
    /// Tells of an update that is left out because the figures are not finite.
    pub(super) fn left_out(&self) -> String {
        let Self { step, loss, grad_norm } = self;
        format!("step {step}: loss {loss}, gradient norm {grad_norm}: the update is left out")
    }
}

/// Why a run is taken to have diverged.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Divergence {
    /// The loss stays far above what it was.
    #[error(
        "step {step}: the median loss of {window} steps is {median:.4}, and was {lowest:.4}: more than \
         guard.divergence = {allowed} above"
    )]
    Loss {
        /// Number of the step it was found at.
        step: u64,
        /// Steps whose median it is.
        window: usize,
        /// Their median loss, nats.
        median: f32,
        /// The lowest such median of the run, nats.
        lowest: f32,
        /// What it may be above that, nats.
        allowed: f64,
    },
    /// The run has come to its end with it.
    #[error("after {steps} steps the loss is {loss}")]
    AtTheEnd {
        /// Steps that were taken.
        steps: u64,
        /// The last evaluation, or the last step's loss.
        loss: f64,
    },
    /// There is no checkpoint from before the bad steps.
    #[error("{bad}; there is no checkpoint to go back to")]
    NothingToGoBackTo {
        /// The steps.
        bad: BadSteps,
    },
    /// Going back did not help.
    #[error("{bad}; the run has gone back {restores} times")]
    BackTooOften {
        /// The last such steps.
        bad: BadSteps,
        /// How often the run went back, which is `guard.restores`.
        restores: u64,
    },
}
