//! Texts that go on from what a model has read.

use std::ops::ControlFlow;

use super::{Sampling, reader::Reader};
use crate::{ModelError, Transformer};

/// Continues texts, one after the other, and keeps the keys and values of what it has read: of a text that begins as the one
/// before, as a chat does that goes on, only the rest is read.
///
/// ```
/// use std::ops::ControlFlow;
///
/// use hearth_model::{Generator, Sampling, TransformerConfig, burn::tensor::Device};
///
/// let model = TransformerConfig::llama(64, 32, 2, 48, 4).init(1, &Device::flex())?;
/// let mut generator = Generator::new(&model, 32);
/// let every_token = async |_| ControlFlow::Continue(());
/// let ids = pollster::block_on(generator.continue_text(&[1, 2, 3], 4, &Sampling::greedy(), every_token))?;
/// // All but the last token that was drawn.
/// assert_eq!((ids.len(), generator.read()), (4, &[[1, 2, 3].as_slice(), &ids[..3]].concat()[..]));
/// # Ok::<(), hearth_model::ModelError>(())
/// ```
pub struct Generator<'a> {
    model: &'a Transformer,
    reader: Reader<'a>,
    /// What the reader has read.
    ids: Vec<u32>,
    capacity: usize,
}

impl<'a> Generator<'a> {
    /// For up to `capacity` positions at once, prompt and continuation together; never more than the model's context. The model
    /// must be without autodiff (`model.valid()`).
    pub fn new(model: &'a Transformer, capacity: usize) -> Self {
        let capacity = capacity.min(model.config().context_length);
        Self { model, reader: Reader::new(model, capacity), ids: Vec::new(), capacity }
    }

    /// The model.
    pub fn model(&self) -> &'a Transformer {
        self.model
    }

    /// The ids whose keys and values are kept.
    pub fn read(&self) -> &[u32] {
        &self.ids
    }

    /// As [`generate`](crate::generate), with what was read before.
    ///
    /// # Errors
    /// As [`generate`](crate::generate).
    pub async fn continue_text(
        &mut self,
        prompt: &[u32],
        max_tokens: usize,
        sampling: &Sampling,
        mut on_token: impl AsyncFnMut(u32) -> ControlFlow<()>,
    ) -> Result<Vec<u32>, ModelError> {
        sampling.validate()?;
        self.check(prompt)?;
        let capacity = self.capacity;
        let mut random = sampling.random();
        let mut text = prompt.to_vec();
        // What the model has not read yet; with what it has, at most one capacity.
        let first = text.len().saturating_sub(capacity);
        let mut unread = first + self.keep(&text[first..])..text.len();
        for _ in 0..max_tokens {
            if self.ids.len() + unread.len() > capacity {
                self.keep(&[]);
                unread = text.len() - (capacity / 2).max(1)..text.len();
            }
            let logits = self.reader.read(&text[unread.clone()]).await?;
            self.ids.extend(&text[unread]);
            if logits.iter().all(|logit| logit.is_nan()) {
                let reason = "the model gives no numbers, for its weights are none, as those of a run that diverged: take an \
                              earlier checkpoint";
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

    fn check(&self, prompt: &[u32]) -> Result<(), ModelError> {
        let ids = self.model.config().vocab_size;
        if prompt.is_empty() {
            return Err(ModelError::Generate("the prompt is empty: give at least one token".into()));
        }
        match prompt.iter().find(|id| **id as usize >= ids) {
            Some(id) => {
                Err(ModelError::Generate(format!("token {id} in the prompt is outside the vocabulary of {ids}")))
            }
            None => Ok(()),
        }
    }

    /// Forgets all but what `text` begins with, and of that the last token, whose logits are asked for; returns how many are kept.
    fn keep(&mut self, text: &[u32]) -> usize {
        let same = self.ids.iter().zip(text).take_while(|(kept, id)| kept == id).count();
        let kept = same.min(text.len().saturating_sub(1));
        self.ids.truncate(kept);
        self.reader.keep(kept);
        kept
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{TransformerConfig, generate};

    async fn on(_: u32) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Whatever it has read before, a generator gives what a new one does.
    fn assert_goes_on(config: &TransformerConfig, device: &Device) {
        let model = TransformerConfig { init_std: 0.3, ..config.clone() }.init(4, device).unwrap();
        let mut generator = Generator::new(&model, 24);
        let mut text: Vec<u32> = vec![3, 1, 4];
        // Turns of one token and of many, a text that is cut, another one, and one that is longer than the capacity.
        let turns: [&[u32]; 6] = [&[1], &[5, 9, 2, 6, 5, 3, 5, 8, 9, 7], &[], &[2, 7], &[1; 9], &[8; 30]];
        for (turn, more) in turns.into_iter().enumerate() {
            if more.is_empty() {
                text.truncate(6);
            }
            text.extend(more);
            let found = pollster::block_on(generator.continue_text(&text, 3, &Sampling::greedy(), on)).unwrap();
            if text.len() + 3 <= 24 {
                let expected = pollster::block_on(generate(&model, &text, 3, &Sampling::greedy(), on)).unwrap();
                assert_eq!(found, expected, "turn {turn}");
                assert_eq!(generator.read().len(), text.len() + 2);
            }
            text.extend(found);
        }
    }

    #[test]
    fn what_was_read_changes_nothing() {
        let device = Device::flex();
        assert_goes_on(&TransformerConfig::llama(23, 48, 2, 24, 4), &device);
        assert_goes_on(&TransformerConfig { kv_heads: 2, ..TransformerConfig::llama(23, 48, 2, 24, 4) }, &device);
        assert_goes_on(&TransformerConfig::gpt2(23, 48, 2, 24, 4), &device);
        // Attention that is latent, and experts, have no decoder: keys and values stay tensors.
        let experts =
            TransformerConfig { experts: 4, experts_per_token: 2, ..TransformerConfig::llama(23, 48, 2, 24, 4) };
        assert_goes_on(&experts, &device);
    }

    #[test]
    fn only_the_rest_is_read() {
        let model = TransformerConfig::llama(23, 48, 1, 24, 4).init(4, &Device::flex()).unwrap();
        let mut generator = Generator::new(&model, 48);
        pollster::block_on(generator.continue_text(&[1, 2, 3, 4], 1, &Sampling::greedy(), on)).unwrap();
        assert_eq!(generator.keep(&[1, 2, 3, 5, 6]), 3);
        assert_eq!(generator.read(), [1, 2, 3]);
        // The logits after the last token are not kept.
        assert_eq!(generator.keep(&[1, 2, 3]), 2);
        assert_eq!(generator.keep(&[7]), 0);
    }
}
