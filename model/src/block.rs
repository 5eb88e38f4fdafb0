//! One transformer block: a segment, and what every segment can.

use burn::{
    module::{Module, ModuleDisplay, ParamId},
    tensor::{Device, Tensor},
};
use hearth_wgsl::{Key, dropout};

use crate::{
    Attention, Experts, Frame, Initializer, KeyValues, LatentAttention, Linear, Mlp, Norm, NormPlacement, Projection,
    TransformerConfig,
    shape::{LayerShape, Site},
};

/// A block of a transformer: what a walk takes one step over. [`Block`] is Hearth's own; one written elsewhere trains as it does,
/// with memory policies, plan, checkpoints, replicas and stages.
pub trait TransformerBlock: Module + ModuleDisplay + 'static {
    /// Block `layer`, counted from 0, with random weights.
    fn init(layer: usize, init: &mut Initializer) -> Self;

    /// What block `layer` is made of and takes: what is counted and planned by. Parameters are named as the module's fields.
    fn shape(config: &TransformerConfig, layer: usize, site: &Site) -> LayerShape;

    /// Blocks of one kind have one shape. All have, where this is left as it is.
    fn kind(_config: &TransformerConfig, _layer: usize) -> usize {
        0
    }

    /// Maps the residual stream `[B, T, C]` to itself. With a `key`, dropout is on. The same input has the same output to the bit,
    /// with autodiff or without, however often it is run.
    fn forward(&self, x_btc: Tensor<3>, frame: &Frame, key: Option<Key>) -> Tensor<3>;

    /// The same block with adapters, as the initializer's configuration has them.
    fn adapted(self, _init: &mut Initializer) -> Self {
        self
    }

    /// The same block with its experts, if it has any, dealt out over `devices`: see [`Experts::over`].
    fn with_experts_over(self, _devices: &[Device]) -> Self {
        self
    }

    /// The bias that balances a router, as [`Experts::bias`], where there is one.
    fn router_bias(&self) -> Option<ParamId> {
        None
    }
}

/// Attention and feed-forward network, each with a normalisation and added to the residual stream after.
#[derive(Module, Debug)]
pub struct Block {
    /// The normalisation of what attention reads; with [`NormPlacement::After`] of what it gives.
    pub attention_norm: Norm,
    /// What mixes positions, where keys and values are projections of their own.
    pub attention: Option<Attention>,
    /// What mixes positions, where they are made of a latent vector.
    pub latent_attention: Option<LatentAttention>,
    /// The normalisation of what attention gives, with [`NormPlacement::Both`].
    pub attention_post_norm: Option<Norm>,
    /// As `attention_norm`, of the feed-forward network.
    pub mlp_norm: Norm,
    /// What mixes channels, where there are no experts.
    pub mlp: Option<Mlp>,
    /// What mixes channels, where there are.
    pub experts: Option<Experts>,
    /// As `attention_post_norm`, of the feed-forward network.
    pub mlp_post_norm: Option<Norm>,
    #[module(skip)]
    placement: NormPlacement,
    #[module(skip)]
    dropout: f64,
}

impl TransformerBlock for Block {
    fn init(layer: usize, init: &mut Initializer) -> Self {
        let (has_experts, is_latent) = (init.config().has_experts(layer), init.config().is_latent());
        let placement = init.config().norm_placement;
        let post_norm = |init: &Initializer| (placement == NormPlacement::Both).then(|| Norm::init(init));
        Self {
            attention_norm: Norm::init(init),
            attention: (!is_latent).then(|| Attention::init(layer, init)),
            latent_attention: is_latent.then(|| LatentAttention::init(layer, init)),
            attention_post_norm: post_norm(init),
            mlp_norm: Norm::init(init),
            mlp: (!has_experts).then(|| Mlp::init(init)),
            experts: has_experts.then(|| Experts::init(init)),
            mlp_post_norm: post_norm(init),
            placement,
            dropout: init.config().dropout,
        }
    }

    /// The sum of its layers, which run one after the other.
    fn shape(config: &TransformerConfig, layer: usize, site: &Site) -> LayerShape {
        let stream = site.positions(config.width);
        let norm = Norm::shape(config, site);
        let (mixer, attention) = match config.is_latent() {
            true => ("latent_attention", LatentAttention::shape(config, layer, site)),
            false => ("attention", Attention::shape(config, layer, site)),
        };
        let (name, mlp) = match config.has_experts(layer) {
            true => ("experts", Experts::shape(config, site)),
            false => ("mlp", Mlp::shape(config, site)),
        };
        // Where attention goes back, what the feed-forward network's half of the block held is free.
        let free = mlp.tape + 2 * stream;
        let backward = stream + mlp.backward.max(attention.backward.saturating_sub(free));
        let post_norm = match config.norm_placement {
            NormPlacement::Both => norm.clone(),
            _ => LayerShape::default(),
        };
        let sum = LayerShape::sum([
            ("attention_norm", norm.clone()),
            (mixer, attention),
            ("attention_post_norm", post_norm.clone()),
            ("mlp_norm", norm),
            (name, mlp),
            ("mlp_post_norm", post_norm),
        ]);
        LayerShape { forward: 2 * stream + sum.forward, backward, ..sum }
    }

    fn kind(config: &TransformerConfig, layer: usize) -> usize {
        let parts = usize::from(config.has_experts(layer)) + 2 * usize::from(config.has_value_embedding(layer));
        config.window(layer).unwrap_or(0).saturating_mul(4) | parts
    }

    fn forward(&self, x_btc: Tensor<3>, frame: &Frame, key: Option<Key>) -> Tensor<3> {
        self.run(x_btc, frame, key, None)
    }

    fn adapted(self, init: &mut Initializer) -> Self {
        Self {
            attention: self.attention.map(|it| it.adapted(init)),
            latent_attention: self.latent_attention.map(|it| it.adapted(init)),
            mlp: self.mlp.map(|it| it.adapted(init)),
            experts: self.experts.map(|it| it.adapted(init)),
            ..self
        }
    }

    fn with_experts_over(self, devices: &[Device]) -> Self {
        Self { experts: self.experts.map(|experts| experts.over(devices)), ..self }
    }

    fn router_bias(&self) -> Option<ParamId> {
        self.experts.as_ref().map(|experts| experts.bias.id)
    }
}

impl Block {
    /// As [`Block::forward`] without dropout, continuing the positions in `cache`.
    pub fn forward_cached(&self, x_btc: Tensor<3>, frame: &Frame, cache: &mut Option<KeyValues>) -> Tensor<3> {
        self.run(x_btc, frame, None, Some(cache))
    }

    /// Its projections, but for those of experts: each with what it makes.
    pub fn projections(&self) -> Vec<(Projection, &Linear)> {
        let of = |projection| self.projection(projection).map(|linear| (projection, linear));
        Projection::ALL.into_iter().filter_map(of).collect()
    }

    /// The name of the layer that a projection is in.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn layer_of(&self, projection: Projection) -> &'static str {
        match projection {
            Projection::Gate | Projection::Up | Projection::Down => {
                if self.experts.is_some() {
                    "experts.shared"
                } else {
                    "mlp"
                }
            }
            _ => {
                if self.latent_attention.is_some() {
                    "latent_attention"
                } else {
                    "attention"
                }
            }
        }
    }

    fn projection(&self, projection: Projection) -> Option<&Linear> {
        let mlp = self.mlp.as_ref().or_else(|| self.experts.as_ref()?.shared.as_ref());
        let latent = self.latent_attention.as_ref();
        match (&self.attention, projection) {
            (_, Projection::Gate) => mlp?.gate.as_ref(),
            (_, Projection::Up) => Some(&mlp?.up),
            (_, Projection::Down) => Some(&mlp?.down),
            (Some(attention), Projection::Query) => Some(&attention.query),
            (Some(attention), Projection::Key) => Some(&attention.key),
            (Some(attention), Projection::Value) => Some(&attention.value),
            (Some(attention), Projection::Output) => Some(&attention.output),
            (None, Projection::Query) => Some(&latent?.query),
            (None, Projection::Output) => Some(&latent?.output),
            (None, Projection::QueryDown) => latent?.query_down.as_ref(),
            (None, Projection::KeyValueDown) => Some(&latent?.key_value_down),
            (None, Projection::KeyValue) => Some(&latent?.key_value),
            _ => None,
        }
    }

    /// A projection that published models have, to be changed.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn projection_mut(&mut self, projection: Projection) -> Option<&mut Linear> {
        let (attention, mlp) = (self.attention.as_mut(), self.mlp.as_mut());
        match projection {
            Projection::Query => Some(&mut attention?.query),
            Projection::Key => Some(&mut attention?.key),
            Projection::Value => Some(&mut attention?.value),
            Projection::Output => Some(&mut attention?.output),
            Projection::Gate => mlp?.gate.as_mut(),
            Projection::Up => Some(&mut mlp?.up),
            Projection::Down => Some(&mut mlp?.down),
            _ => None,
        }
    }

    fn run(&self, x: Tensor<3>, frame: &Frame, key: Option<Key>, cache: Option<&mut Option<KeyValues>>) -> Tensor<3> {
        let drop = |y: Tensor<3>, site: u64| match key {
            Some(key) if self.dropout > 0.0 => dropout(y, key.fold_in(site), self.dropout),
            _ => y,
        };
        let frame = frame.for_adapters(key);
        let normed = self.read_by_attention(x.clone());
        let attended = match (&self.attention, &self.latent_attention) {
            (_, Some(latent)) => latent.forward(normed, &frame, cache),
            (Some(attention), None) => attention.forward(normed, &frame, cache),
            (None, None) => return x,
        };
        let attended = self.given(attended, &self.attention_norm, &self.attention_post_norm);
        let x = x + drop(attended, 0);
        let normed = self.read(x.clone(), &self.mlp_norm);
        let mixed = match (&self.mlp, &self.experts) {
            (_, Some(experts)) => experts.forward(normed, &frame),
            (Some(mlp), None) => mlp.forward_keyed(normed, frame.adapter_key(1)),
            (None, None) => return x,
        };
        x + drop(self.given(mixed, &self.mlp_norm, &self.mlp_post_norm), 1)
    }

    /// What attention makes of the residual stream, before it projects.
    pub(crate) fn read_by_attention(&self, x_btc: Tensor<3>) -> Tensor<3> {
        self.read(x_btc, &self.attention_norm)
    }

    fn read(&self, x_btc: Tensor<3>, norm: &Norm) -> Tensor<3> {
        if self.placement == NormPlacement::After { x_btc } else { norm.forward(x_btc) }
    }

    fn given(&self, y_btc: Tensor<3>, norm: &Norm, post_norm: &Option<Norm>) -> Tensor<3> {
        match (self.placement, post_norm) {
            (NormPlacement::After, _) => norm.forward(y_btc),
            (_, Some(norm)) => norm.forward(y_btc),
            (_, None) => y_btc,
        }
    }

    /// Where it normalises.
    pub(crate) fn norm_placement(&self) -> NormPlacement {
        self.placement
    }
}
