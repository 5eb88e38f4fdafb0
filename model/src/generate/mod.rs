//! Text from a model, one token after the other, with the keys and values of earlier positions kept.

mod candidates;
mod decoder;
mod generator;
mod reader;
mod sampling;

use std::ops::ControlFlow;

use crate::{ModelError, Transformer};

pub use generator::Generator;
pub use sampling::Sampling;

/// Continues `prompt` by up to `max_tokens` tokens and returns them.
///
/// `on_token` sees each token as it is drawn and ends the text early by breaking; where an event loop has to turn between
/// tokens, it awaits that. The model must be without autodiff
/// (`model.valid()`). When the context is full, the last half of it is read again as the new beginning.
///
/// This is asynchronous because a browser cannot wait for the device. Elsewhere, block on it, as the example on the crate's
/// front page does.
///
/// # Errors
/// An empty prompt, an id outside the vocabulary, a bad [`Sampling`], weights that are no numbers, or a failed read from the device.
pub async fn generate(
    model: &Transformer,
    prompt: &[u32],
    max_tokens: usize,
    sampling: &Sampling,
    on_token: impl AsyncFnMut(u32) -> ControlFlow<()>,
) -> Result<Vec<u32>, ModelError> {
    let capacity = prompt.len().saturating_add(max_tokens);
    Generator::new(model, capacity).continue_text(prompt, max_tokens, sampling, on_token).await
}
