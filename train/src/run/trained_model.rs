//! A model that generates.

use hearth_data::Tokenizer;
use hearth_model::Transformer;

use crate::TrainConfig;

/// What a run has come to, or to its newest checkpoint.
#[derive(Clone, Debug)]
pub struct TrainedModel {
    /// Its configuration.
    pub config: TrainConfig,
    /// What turns its text into tokens and back.
    pub tokenizer: Tokenizer,
    /// Without autodiff.
    pub model: Transformer,
    /// The token that every text of a published model begins with, where it has one.
    pub first: Option<u32>,
    /// Where the weights come from, if not from the end of the run.
    pub note: Option<String>,
}
