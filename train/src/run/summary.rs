//! What a run came to.

use std::{fmt, path::PathBuf};

use hearth_model::Transformer;

use crate::session::{Best, DeviceFigures, DeviceSummary};

/// What a run came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunSummary {
    /// The run's folder.
    pub folder: PathBuf,
    /// Steps of the whole run, those before a resumption included.
    pub steps: u64,
    /// Training tokens seen.
    pub tokens: u64,
    /// Loss of the last step, nats per token.
    pub train_loss: f64,
    /// Loss on the validation set at the end, nats per token; `None` where there is none.
    pub val_loss: Option<f64>,
    /// The lowest loss on the validation set, that at the end included, and the step it was found at.
    pub best: Option<Best>,
    /// Wall time of the loop, evaluation and samples included, in seconds.
    pub seconds: f64,
    /// Training tokens a second, without evaluation, samples and the first steps; NaN where no step was timed.
    pub tokens_per_second: f64,
    /// Seconds from the start of the loop until the first step's loss was there, and until the tenth's.
    pub first_and_tenth: [Option<f64>; 2],
    /// The loss picture, where the crate was built with them.
    pub picture: Option<PathBuf>,
    /// Whether it was stopped before its limit.
    pub interrupted: bool,
    /// Whether it ended by `evaluation.patience`.
    pub out_of_patience: bool,
    /// What each of several devices did.
    pub devices: Vec<DeviceSummary>,
    /// The model as it is at the end, without autodiff.
    pub model: Transformer,
}

impl fmt::Display for DeviceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} sequences a step", self.name, self.sequences)?;
        let Some(DeviceFigures { tokens_per_second, walk, transfer, wait }) = self.figures else { return Ok(()) };
        write!(
            f,
            ", {tokens_per_second:.0} tokens/s; walk {walk:.4} s, transfers {transfer:.4} s (most of them while it "
        )?;
        write!(f, "walked), waiting {wait:.4} s")
    }
}
