//! The model: a list of segments.

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};

use crate::{
    AdapterConfig, Block, Embedding, Frame, Head, Initializer, KeyValues, ModelError, TokenMatrix, TransformerBlock,
    TransformerConfig,
};

/// A decoder-only transformer of blocks `B`: Hearth's own, or anybody's [`TransformerBlock`].
///
/// The segments are public so that a walk can run them one at a time. [`Transformer::logits`] runs them in order.
#[derive(Module, Debug)]
pub struct Transformer<B: TransformerBlock = Block> {
    /// The first segment.
    pub embedding: Embedding,
    /// The segments between.
    pub blocks: Vec<B>,
    /// The last segment.
    pub head: Head,
    #[module(skip)]
    config: TransformerConfig,
}

/// A model at work on a text.
#[derive(Clone, Debug)]
pub struct Look {
    /// Logits `[B, T, V]`.
    pub logits: Tensor<3>,
    /// Of each block the weights `[B, H, T, T]` of attention: of each position (the last axis) for each query.
    pub attention: Vec<Tensor<4>>,
}

impl TransformerConfig {
    /// A model with random weights: the same `seed` gives the same weights on every device.
    ///
    /// # Errors
    /// What [`TransformerConfig::validate`] finds.
    pub fn init(&self, seed: u64, device: &Device) -> Result<Transformer, ModelError> {
        self.init_of(seed, device)
    }

    /// As [`TransformerConfig::init`], of blocks of one's own.
    ///
    /// # Errors
    /// As [`TransformerConfig::init`].
    pub fn init_of<B: TransformerBlock>(&self, seed: u64, device: &Device) -> Result<Transformer<B>, ModelError> {
        Ok(self.init_by(&mut self.initializer(seed, device)?))
    }

    /// As [`TransformerConfig::init`], by an initializer of this configuration.
    pub(crate) fn init_by<B: TransformerBlock>(&self, init: &mut Initializer) -> Transformer<B> {
        let model = Transformer {
            embedding: Embedding::init(init),
            blocks: (0..self.layers).map(|layer| B::init(layer, init)).collect(),
            head: Head::init(init),
            config: self.clone(),
        };
        if self.adapter.is_some() { model.with_adapters(&mut init.clone().beside()) } else { model }
    }
}

impl<B: TransformerBlock> Transformer<B> {
    /// The shape of this model.
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// The same model with adapters, which change nothing yet. In a run, all else is frozen that no group of the optimizer names.
    ///
    /// # Errors
    /// What [`TransformerConfig::validate`] finds.
    pub fn adapted(self, adapter: &AdapterConfig, seed: u64) -> Result<Self, ModelError> {
        let config = TransformerConfig { adapter: Some(adapter.clone()), ..self.config.clone() };
        let device = self.device();
        let model = self.with_adapters(&mut config.initializer(seed, &device)?.beside());
        Ok(Self { config, ..model })
    }

    fn with_adapters(self, init: &mut Initializer) -> Self {
        Self { blocks: self.blocks.into_iter().map(|block| block.adapted(init)).collect(), ..self }
    }

    /// The device that the model's embedding is on.
    pub fn device(&self) -> Device {
        self.embedding.tokens.shards[0].val().device()
    }

    /// The output matrix: the head's own, or the embedding's where the model is tied.
    pub fn output(&self) -> &TokenMatrix {
        self.head.output.as_ref().unwrap_or(&self.embedding.tokens)
    }

    /// Logits `[B, T, V]` of the ids `[B, T]`, without dropout.
    ///
    /// # Panics
    /// If `T` exceeds the context length.
    pub fn logits(&self, tokens_bt: Tensor<2, Int>) -> Tensor<3> {
        let [_, time] = tokens_bt.dims();
        let frame = Frame::new(&self.config, 0, time, &tokens_bt.device()).with_tokens(tokens_bt.clone());
        let mut x_btc = self.embedding.forward(tokens_bt, &frame, None);
        for block in &self.blocks {
            x_btc = block.forward(x_btc, &frame, None);
        }
        self.head.logits(x_btc, self.output())
    }
}

impl Transformer {
    /// As [`Transformer::logits`], with what each block's heads mix positions by: for people to look at.
    ///
    /// # Panics
    /// As [`Transformer::logits`].
    pub fn look(&self, tokens_bt: Tensor<2, Int>) -> Look {
        let [_, time] = tokens_bt.dims();
        let frame = Frame::new(&self.config, 0, time, &tokens_bt.device()).with_tokens(tokens_bt.clone());
        let mut x_btc = self.embedding.forward(tokens_bt, &frame, None);
        let mut attention = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let normed = block.read_by_attention(x_btc.clone());
            attention.extend(match (&block.attention, &block.latent_attention) {
                (_, Some(latent)) => Some(latent.weights(normed, &frame)),
                (own, None) => own.as_ref().map(|own| own.weights(normed, &frame)),
            });
            x_btc = block.forward(x_btc, &frame, None);
        }
        Look { logits: self.head.logits(x_btc, self.output()), attention }
    }

    /// Logits `[B, V]` after the last of the ids `[B, T]`, which continue the `start` positions in `cache`.
    ///
    /// `cache` has one entry a layer, `None` at first.
    ///
    /// # Panics
    /// If `start + T` exceeds the context length.
    pub fn next_logits(&self, tokens_bt: Tensor<2, Int>, start: usize, cache: &mut [Option<KeyValues>]) -> Tensor<2> {
        let [batch, time] = tokens_bt.dims();
        let frame = Frame::new(&self.config, start, time, &tokens_bt.device()).with_tokens(tokens_bt.clone());
        let mut x_btc = self.embedding.forward(tokens_bt, &frame, None);
        for (block, cache) in self.blocks.iter().zip(cache) {
            x_btc = block.forward_cached(x_btc, &frame, cache);
        }
        let last_b1c = x_btc.narrow(1, time - 1, 1);
        let logits = self.head.logits(last_b1c, self.output());
        logits.reshape([batch, self.config.vocab_size])
    }
}
