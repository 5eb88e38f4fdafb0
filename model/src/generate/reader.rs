//! What a model has read of a text: its keys and values, and the logits after it.

use burn::tensor::{Int, Tensor, TensorData};

use super::decoder::Decoder;
use crate::{KeyValues, ModelError, Transformer};

/// Pieces that go on from what was read, and are shorter than this, are read token by token.
const SHORT: usize = 6;

/// Reads a text piece by piece: long ones by tensors, and on the CPU each further token by slices.
pub struct Reader<'a> {
    model: &'a Transformer,
    cache: Vec<Option<KeyValues>>,
    decoder: Option<Decoder<'a>>,
    /// Positions that the cache has.
    pub read: usize,
    logits: Vec<f32>,
}

impl<'a> Reader<'a> {
    /// For up to `capacity` positions at once.
    pub fn new(model: &'a Transformer, capacity: usize) -> Self {
        let decoder = Decoder::new(model, capacity);
        Self {
            model,
            cache: vec![None; model.config().layers],
            decoder,
            read: 0,
            logits: vec![0.0; model.config().vocab_size],
        }
    }

    /// Forgets what was read behind the first `positions`.
    pub fn keep(&mut self, positions: usize) {
        if positions == 0 {
            self.cache.fill(None);
        }
        self.cache.iter_mut().flatten().for_each(|cache| cache.keep(positions));
        if let Some(decoder) = &mut self.decoder {
            decoder.keep(positions);
        }
        self.read = self.read.min(positions);
    }

    /// Reads more tokens, at least one; the logits `[V]` after the last of them.
    ///
    /// # Errors
    /// A failed read from the device.
    pub async fn read(&mut self, ids: &[u32]) -> Result<&[f32], ModelError> {
        let start = self.read;
        self.read += ids.len();
        if let (Some(decoder), 1.., 1..SHORT) = (&mut self.decoder, start, ids.len()) {
            ids.iter().for_each(|id| decoder.step(*id, &mut self.logits));
            return Ok(&self.logits);
        }
        if let (Some(decoder), 1..) = (&self.decoder, start) {
            self.cache = decoder.key_values();
        }
        let tokens = TensorData::new(ids.iter().map(|id| *id as i32).collect(), [1, ids.len()]);
        let tokens = Tensor::<2, Int>::from_data(tokens, &self.model.device());
        let logits = self.model.next_logits(tokens, start, &mut self.cache).into_data_async().await;
        if let Some(decoder) = &mut self.decoder {
            match decoder.begin(&self.cache, self.read) {
                true => self.cache.fill(None),
                false => self.decoder = None,
            }
        }
        let logits = logits.map_err(|error| ModelError::Generate(format!("reading the logits failed: {error:?}")))?;
        self.logits = logits.iter::<f32>().collect();
        Ok(&self.logits)
    }
}
