//! One transformer block: a segment.

use burn::{module::Module, tensor::Tensor};
use hearth_wgsl::{Key, dropout};

use crate::{Attention, Frame, KeyValues, Mlp, Norm, TransformerConfig, init::Initializer};

/// Attention and feed-forward network, each normalised before and added to the residual stream after.
#[derive(Module, Debug)]
pub struct Block {
    /// Before attention.
    pub attention_norm: Norm,
    /// Mixes positions.
    pub attention: Attention,
    /// Before the feed-forward network.
    pub mlp_norm: Norm,
    /// Mixes channels.
    pub mlp: Mlp,
    #[module(skip)]
    dropout: f64,
}

impl Block {
    pub(crate) fn init(config: &TransformerConfig, layer: usize, init: &mut Initializer) -> Self {
        let residual_std = if config.scaled_residual_init {
            config.init_std / (2.0 * config.layers as f64).sqrt()
        } else {
            config.init_std
        };
        Self {
            attention_norm: Norm::init(config, init),
            attention: Attention::init(config, layer, residual_std, init),
            mlp_norm: Norm::init(config, init),
            mlp: Mlp::init(config, residual_std, init),
            dropout: config.dropout,
        }
    }

    /// Maps the residual stream `[B, T, C]` to itself. With a `key`, dropout is on.
    pub fn forward(&self, x_btc: Tensor<3>, frame: &Frame, key: Option<Key>) -> Tensor<3> {
        self.run(x_btc, frame, key, None)
    }

    /// As [`Block::forward`] without dropout, continuing the positions in `cache`.
    pub fn forward_cached(&self, x_btc: Tensor<3>, frame: &Frame, cache: &mut Option<KeyValues>) -> Tensor<3> {
        self.run(x_btc, frame, None, Some(cache))
    }

    fn run(&self, x: Tensor<3>, frame: &Frame, key: Option<Key>, cache: Option<&mut Option<KeyValues>>) -> Tensor<3> {
        let drop = |y: Tensor<3>, site: u64| match key {
            Some(key) => dropout(y, key.fold_in(site), self.dropout),
            None => y,
        };
        let attended = self.attention.forward(self.attention_norm.forward(x.clone()), frame, cache);
        let x = x + drop(attended, 0);
        let mixed = self.mlp.forward(self.mlp_norm.forward(x.clone()));
        x + drop(mixed, 1)
    }
}
