//! What a model has read of a text: its keys and values, and the logits after it.

use burn::tensor::{Int, Tensor, TensorData};

use super::decoder::Decoder;
use crate::{KeyValues, ModelError, Transformer};

/// Reads a text piece by piece: the first by tensors, and on the CPU each further token by slices.
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

    /// Forgets all that was read.
    pub fn forget(&mut self) {
        self.cache.fill(None);
        self.read = 0;
    }

    /// Reads more tokens, of which only the first piece may have several; the logits `[V]` after the last of them.
    ///
    /// # Errors
    /// A failed read from the device.
    pub async fn read(&mut self, ids: &[u32]) -> Result<&[f32], ModelError> {
        let start = self.read;
        self.read += ids.len();
        if let (Some(decoder), [id], 1..) = (&mut self.decoder, ids, start) {
            decoder.step(*id, &mut self.logits);
            return Ok(&self.logits);
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
