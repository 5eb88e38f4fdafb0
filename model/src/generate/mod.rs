//! Text from a model, one token after the other, with the keys and values of earlier positions kept.

mod candidates;
mod decoder;
mod reader;
mod sampling;

use std::ops::ControlFlow;

use crate::{ModelError, Transformer};

use reader::Reader;
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
    mut on_token: impl AsyncFnMut(u32) -> ControlFlow<()>,
) -> Result<Vec<u32>, ModelError> {
    sampling.validate()?;
    let config = model.config();
    if prompt.is_empty() {
        return Err(ModelError::Generate("the prompt is empty: give at least one token".into()));
    }
    if let Some(id) = prompt.iter().find(|id| **id as usize >= config.vocab_size) {
        return Err(ModelError::Generate(format!(
            "token {id} in the prompt is outside the vocabulary of {}",
            config.vocab_size
        )));
    }
    let context = config.context_length;
    let mut random = sampling.random();
    let mut text = prompt.to_vec();
    let mut reader = Reader::new(model, context.min(prompt.len().saturating_add(max_tokens)));
    // What the model has not read yet; at most one context of it.
    let mut unread = text.len().saturating_sub(context)..text.len();
    for _ in 0..max_tokens {
        if reader.read + unread.len() > context {
            reader.forget();
            unread = text.len() - (context / 2).max(1)..text.len();
        }
        let logits = reader.read(&text[unread]).await?;
        if logits.iter().all(|logit| logit.is_nan()) {
            let reason = "the model gives no numbers, for its weights are none, as those of a run that diverged: take an earlier \
                          checkpoint";
            return Err(ModelError::Generate(reason.into()));
        }
        let token = sampling.pick(logits, &mut random);
        unread = text.len()..text.len() + 1;
        text.push(token);
        if on_token(token).await.is_break() {
            break;
        }
    }
    Ok(text.split_off(prompt.len()))
}
