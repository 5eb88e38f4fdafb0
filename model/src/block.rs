//! One transformer block: a segment.

use burn::{module::Module, tensor::Tensor};
use hearth_wgsl::{Key, dropout};

use crate::{
    Attention, Experts, Frame, Initializer, KeyValues, Mlp, Norm, TransformerConfig,
    shape::{LayerShape, Site},
};

/// Attention and feed-forward network, each normalised before and added to the residual stream after.
#[derive(Module, Debug)]
pub struct Block {
    /// The normalisation before attention.
    pub attention_norm: Norm,
    /// What mixes positions.
    pub attention: Attention,
    /// The normalisation before the feed-forward network.
    pub mlp_norm: Norm,
    /// What mixes channels, where there are no experts.
    pub mlp: Option<Mlp>,
    /// What mixes channels, where there are.
    pub experts: Option<Experts>,
    #[module(skip)]
    dropout: f64,
}

impl Block {
    /// Block `layer`, counted from 0, with random weights.
    pub fn init(layer: usize, init: &mut Initializer) -> Self {
        let has_experts = init.config().has_experts(layer);
        Self {
            attention_norm: Norm::init(init),
            attention: Attention::init(layer, init),
            mlp_norm: Norm::init(init),
            mlp: (!has_experts).then(|| Mlp::init(init)),
            experts: has_experts.then(|| Experts::init(init)),
            dropout: init.config().dropout,
        }
    }

    /// What block `layer` is made of and takes: the sum of its layers, which run one after the other.
    pub fn shape(config: &TransformerConfig, layer: usize, site: &Site) -> LayerShape {
        let stream = site.positions(config.width);
        let norm = Norm::shape(config, site);
        let attention = Attention::shape(config, layer, site);
        let (name, mlp) = match config.has_experts(layer) {
            true => ("experts", Experts::shape(config, site)),
            false => ("mlp", Mlp::shape(config, site)),
        };
        let named = [("attention_norm", &norm), ("attention", &attention), ("mlp_norm", &norm), (name, &mlp)];
        // Where attention goes back, what the feed-forward network's half of the block held is free.
        let free = mlp.tape + 2 * stream;
        LayerShape {
            parameters: named.iter().flat_map(|(name, layer)| layer.within(name).collect::<Vec<_>>()).collect(),
            idle: mlp.idle,
            flops: attention.flops + mlp.flops,
            tape: 2 * norm.tape + attention.tape + mlp.tape,
            forward: 2 * stream + attention.forward.max(mlp.forward),
            backward: stream + mlp.backward.max(attention.backward.saturating_sub(free)),
            tensors: [attention.tensors, mlp.tensors].concat(),
            longest: attention.longest.max(mlp.longest),
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
        let normed = self.mlp_norm.forward(x.clone());
        let mixed = match (&self.mlp, &self.experts) {
            (_, Some(experts)) => experts.forward(normed, frame),
            (Some(mlp), None) => mlp.forward(normed),
            (None, None) => return x,
        };
        x + drop(mixed, 1)
    }
}
