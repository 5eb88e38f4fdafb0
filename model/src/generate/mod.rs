//! Text from a model, one token after the other, with the keys and values of earlier positions kept.

mod sampling;

use std::ops::ControlFlow;

use burn::tensor::{Int, Tensor, TensorData};

use crate::{ModelError, Transformer};

pub use sampling::Sampling;

/// Continues `prompt` by up to `max_tokens` tokens and returns them.
///
/// `on_token` sees each token as it is drawn and ends the text early by breaking. The model must be without autodiff
/// (`model.valid()`). When the context is full, the last half of it is read again as the new beginning.
///
/// This is asynchronous because a browser cannot wait for the device. Elsewhere, block on it, as the example on the crate's
/// front page does.
///
/// # Errors
/// An empty prompt, an id outside the vocabulary, a bad [`Sampling`], or a failed read from the device.
pub async fn generate(
    model: &Transformer,
    prompt: &[u32],
    max_tokens: usize,
    sampling: &Sampling,
    mut on_token: impl FnMut(u32) -> ControlFlow<()>,
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
    let device = model.device();
    let mut random = sampling.random();
    let mut text = prompt.to_vec();
    let mut cache = vec![None; config.layers];
    let mut cached = 0;
    // What the model has not read yet; at most one context of it.
    let mut unread = text.len().saturating_sub(config.context_length)..text.len();
    for _ in 0..max_tokens {
        if cached + unread.len() > config.context_length {
            cache = vec![None; config.layers];
            cached = 0;
            unread = text.len() - (config.context_length / 2).max(1)..text.len();
        }
        let ids: Vec<i32> = text[unread.clone()].iter().map(|id| *id as i32).collect();
        let tokens = Tensor::<2, Int>::from_data(TensorData::new(ids, [1, unread.len()]), &device);
        let logits = model.next_logits(tokens, cached, &mut cache).into_data_async().await;
        let logits: Vec<f32> = logits
            .map_err(|error| ModelError::Generate(format!("reading the logits failed: {error:?}")))?
            .iter::<f32>()
            .collect();
        let token = sampling.pick(&logits, &mut random);
        cached += unread.len();
        unread = text.len()..text.len() + 1;
        text.push(token);
        if on_token(token).is_break() {
            break;
        }
    }
    Ok(text.split_off(prompt.len()))
}
