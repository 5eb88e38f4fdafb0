//! What the page asks of the worker.

use serde::{Deserialize, Serialize};

/// What the page asks of the worker. Those with an `id` are answered with it: once, or by `trouble` with it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// The text to learn from, as the bytes that come with the message. Answer: `text`.
    Text { id: u32, name: String },
    /// What a run of these settings would take. Answer: `plan`.
    Plan { id: u32, settings: Settings },
    /// Times a step of these settings, on any text. Answer: `probe`.
    Probe { id: u32, settings: Settings },
    /// Compares the device's numbers with plain operations on the CPU. Answer: `certificate`, after `progress`.
    Certify { id: u32 },
    /// A new run on the text; a run that is stored is removed.
    Start { settings: Settings },
    /// Takes a run's files, which come with the message: `step-N/FILE` for each. Answer: `run`.
    Import { id: u32, names: Vec<String> },
    /// The run that is stored or imported goes on, until this many steps in all.
    Continue { steps: u32 },
    /// Everything of the run. Answer: `files`. Also while it trains.
    Export { id: u32 },
    /// Removes the run that is stored. Answer: `run` with null.
    Forget { id: u32 },
    /// A pause at the next step's boundary, with a checkpoint.
    Pause,
    /// Goes on after a pause.
    Resume,
    /// So many steps, then a pause.
    Step { count: u32 },
    /// Ends the run in order, with a checkpoint.
    Stop,
    /// Writes a checkpoint at the next step's boundary; in a pause at once.
    Save,
    /// Draws text behind a prompt. Answer: `token` for each piece, then `generated`. Also while it trains.
    Generate { id: u32, prompt: String, tokens: u32, temperature: f64, top_k: u32, seed: u32 },
    /// Ends a `generate`.
    Cancel { id: u32 },
    /// What the model makes of a text. Answer: `looked`. Also while it trains.
    Look { id: u32, prompt: String, temperature: f64 },
}

impl Request {
    /// Number by which it is answered.
    pub fn id(&self) -> Option<u32> {
        match self {
            Self::Text { id, .. }
            | Self::Plan { id, .. }
            | Self::Probe { id, .. }
            | Self::Certify { id }
            | Self::Import { id, .. }
            | Self::Export { id }
            | Self::Forget { id }
            | Self::Generate { id, .. }
            | Self::Cancel { id }
            | Self::Look { id, .. } => Some(*id),
            Self::Start { .. }
            | Self::Continue { .. }
            | Self::Pause
            | Self::Resume
            | Self::Step { .. }
            | Self::Stop
            | Self::Save => None,
        }
    }
}

/// A run, as the page sets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of blocks.
    pub layers: usize,
    /// Channels.
    pub width: usize,
    /// Attention heads of a block.
    pub heads: usize,
    /// Tokens of a sequence.
    pub context_length: usize,
    /// Share of activations that are dropped in training.
    pub dropout: f64,
    /// What a token is.
    pub tokenizer: TokenizerName,
    /// Sequences of a step.
    pub batch: usize,
    /// Steps of the whole run.
    pub steps: u32,
    /// The highest learning rate.
    pub learning_rate: f64,
    /// Steps until it is reached.
    pub warmup_steps: u32,
    /// Decides weights, the order of the data and texts.
    pub seed: u32,
    /// Steps between evaluations; 0 for one at the end alone.
    pub evaluate_every: u32,
    /// Steps between samples; 0 for none.
    pub sample_every: u32,
    /// Steps between checkpoints; 0 for one at the end alone.
    pub save_every: u32,
    /// What samples continue; empty for the beginning of a line.
    pub prompt: String,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum TokenizerName {
    /// A character of the text.
    Char,
    /// A byte.
    Byte,
}
