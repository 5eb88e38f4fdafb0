//! What a run learns from and is measured on, anywhere: tokens, cut as the configuration says.

use std::sync::Arc;

use hearth_data::{Batch, Batches, DataError, Rows, TokenStream, Tokenizer, Tokens};

use crate::{TrainConfig, TrainError, config::PackingKind};

/// What a session learns from and is measured on.
#[derive(Clone, Debug)]
pub struct Data {
    /// Batches to learn from.
    pub train: Batches,
    /// Batches to be measured on, the same each time.
    pub validation: Vec<Batch>,
}

/// Streams of tokens, each with its weight.
pub type Streams = Vec<(f64, Arc<dyn TokenStream>)>;

impl Data {
    /// The parts of a text, and what tells its tokens from others.
    ///
    /// # Errors
    /// A character that the tokenizer does not have; a part that is too short for a row.
    pub fn of_text(config: &TrainConfig, tokenizer: &Tokenizer, text: &str) -> Result<(Self, [u8; 32]), TrainError> {
        let tokens = Tokens::new(tokenizer.encode(text)?)?;
        let (train, validation) = tokens.split(config.data.validation_fraction)?;
        let validation = (!validation.is_empty()).then(|| (1.0, Arc::new(validation) as Arc<dyn TokenStream>));
        Self::of_streams(config, vec![(1.0, Arc::new(train))], validation.into_iter().collect())
    }

    /// The same of streams, with none for validation where nothing is held out.
    ///
    /// # Errors
    /// A part that is too short for a row.
    pub fn of_streams(
        config: &TrainConfig,
        train: Streams,
        validation: Streams,
    ) -> Result<(Self, [u8; 32]), TrainError> {
        let mut content = blake3::Hasher::new();
        for (_, stream) in train.iter().chain(&validation) {
            content.update(&stream.content_hash());
        }
        let train = batches(config, train, config.data.stride).map_err(|error| too_short(error, "training", config))?;
        let validation = match validation.is_empty() {
            true if config.evaluation.patience > 0 => return Err(no_patience(config.evaluation.patience)),
            true => Vec::new(),
            false => {
                let validation =
                    batches(config, validation, 0).map_err(|error| too_short(error, "validation", config))?;
                validation.evaluation(config.batch.micro_batch, config.evaluation.batches)?
            }
        };
        Ok((Self { train, validation }, content.finalize().into()))
    }
}

fn batches(config: &TrainConfig, streams: Streams, stride: usize) -> Result<Batches, DataError> {
    let (context, seed) = (config.model.context_length, config.seed);
    let rows = |stream| match config.data.packing {
        PackingKind::Windows => Rows::windows(stream, context, stride, seed),
        PackingKind::Documents => Rows::packed(stream, context, seed),
    };
    Batches::mixed(
        streams.into_iter().map(|(weight, stream)| Ok((weight, rows(stream)?))).collect::<Result<_, DataError>>()?,
    )
}

/// What is wrong with a part of the data, and what may be done about it.
fn too_short(error: DataError, part: &str, config: &TrainConfig) -> TrainError {
    let fraction = match config.data.text {
        Some(_) => format!("data.validation_fraction = {}", config.data.validation_fraction),
        None => "the folder's --validation-fraction".into(),
    };
    let advice = match part {
        "training" => format!(", or a smaller one for validation ({fraction})"),
        _ => format!(", or a larger share ({fraction}); 0 trains without one"),
    };
    TrainError::Config { source_name: format!("the {part} part"), reason: format!("{error}{advice}") }
}

fn no_patience(patience: u64) -> TrainError {
    let reason = "there is no validation part that could get better: set it to 0, or hold a part of the data out";
    TrainError::Config { source_name: format!("evaluation.patience = {patience}"), reason: reason.into() }
}
