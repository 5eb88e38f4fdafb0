//! What a run has come to, as the page is told.

use serde::Serialize;

use super::Settings;

/// A run that is stored or imported.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RunInfo {
    /// What of its configuration the page can set.
    pub settings: Settings,
    /// Steps until its newest whole checkpoint.
    pub step: u32,
    /// Steps that it is to take.
    pub steps: u32,
    /// Wall time until that checkpoint.
    pub seconds: f64,
    /// Number of the model's parameters.
    pub parameters: f64,
    /// Whether its text is there, so that it can go on at once.
    pub has_text: bool,
    /// Figures of its steps, thinned where there are many.
    pub figures: Vec<StepFigures>,
    /// Its evaluations.
    pub evaluations: Vec<EvaluationFigures>,
    /// Its samples.
    pub samples: Vec<Sample>,
    /// What was passed over, in words.
    pub notes: Vec<String>,
    /// Its checkpoints, the newest first.
    pub checkpoints: Vec<CheckpointInfo>,
    /// Whether the settings say all of its configuration.
    pub is_plain: bool,
    /// Its configuration as TOML.
    pub config: String,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct CheckpointInfo {
    /// Steps until it.
    pub step: u32,
    /// Bytes of its files.
    pub bytes: f64,
}

/// Figures of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StepFigures {
    /// Number of the step, from 0.
    pub step: u32,
    /// Training loss, nats per token.
    pub loss: Option<f64>,
    /// Learning rate.
    pub learning_rate: Option<f64>,
    /// Norm of the gradient before it is clipped.
    pub grad_norm: Option<f64>,
    /// Wall time since the start of the run.
    pub seconds: f64,
}

/// An evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct EvaluationFigures {
    /// Steps until it.
    pub step: u32,
    /// Loss over the validation part, nats per token.
    pub loss: f64,
}

/// A text that was drawn while it trains.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Sample {
    /// Steps until it.
    pub step: u32,
    /// What it continues.
    pub prompt: String,
    /// What was drawn.
    pub text: String,
}
