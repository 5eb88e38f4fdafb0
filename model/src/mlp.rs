//! The feed-forward network of a block.

use burn::{module::Module, tensor::Tensor};
use hearth_wgsl::{Key, gelu, relu_squared, swiglu};

use crate::{
    Activation, Adapter, Initializer, Linear, TransformerConfig,
    shape::{LayerShape, Site, elements},
};

/// Two or three projections with an [`Activation`] between them.
#[derive(Module, Debug)]
pub struct Mlp {
    /// The projection whose activation scales that of `up`, `[C, F]`; where there is a gate.
    pub gate: Option<Linear>,
    /// The projection to the inner channels, `[C, F]`.
    pub up: Linear,
    /// The projection back to the residual stream, `[F, C]`.
    pub down: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// A feed-forward network with random weights.
    pub fn init(init: &mut Initializer) -> Self {
        Self::of_width(init.config().ffn_width(), init)
    }

    /// The same with `f` channels inside.
    pub(crate) fn of_width(f: usize, init: &mut Initializer) -> Self {
        let config = init.config();
        let (c, std) = (config.width, config.init_std);
        Self {
            gate: config.mlp.is_gated().then(|| Linear::init(c, f, std, init)),
            up: Linear::init(c, f, std, init),
            down: Linear::init(f, c, config.residual_std(), init),
            activation: config.mlp,
        }
    }

    /// What a feed-forward network is made of and takes: its tape has the hidden values before and after the activation.
    pub fn shape(config: &TransformerConfig, site: &Site) -> LayerShape {
        Self::shape_of_width(config, config.ffn_width(), site)
    }

    /// The same with `f` channels inside.
    pub(crate) fn shape_of_width(config: &TransformerConfig, f: usize, site: &Site) -> LayerShape {
        let c = config.width;
        let inner: &[&str] = if config.mlp.is_gated() { &["gate", "up"] } else { &["up"] };
        let mut projections: Vec<_> = inner.iter().map(|name| (*name, c, f)).collect();
        projections.push(("down", f, c));
        let parameters = projections
            .iter()
            .flat_map(|(name, from, to)| Linear::parameters(name, [*from, *to], config.bias, config))
            .collect();
        let adapters = Adapter::shape(&projections, config, site);
        let [stream, hidden] = [c, f].map(|channels| site.positions(channels));
        // A tape has what GELU made of a gate, too.
        let before = (inner.len() as u64 + u64::from(config.mlp == Activation::Geglu)) * hidden;
        LayerShape {
            parameters,
            flops: 2.0 * site.time as f64 * c as f64 * f as f64 * (inner.len() + 1) as f64 + adapters.flops,
            tape: before + hidden + adapters.tape,
            forward: before + hidden + adapters.forward,
            backward: stream + before + adapters.backward,
            tensors: vec![
                ("the feed-forward activations [B, T, F]", hidden),
                ("a feed-forward matrix [C, F]", elements([c, f])),
            ],
            longest: 2.0 * stream as f64 * f as f64,
            ..LayerShape::default()
        }
    }

    /// What is between the projections.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// Maps `[B, T, C]` to `[B, T, C]`.
    pub fn forward(&self, x_btc: Tensor<3>) -> Tensor<3> {
        self.forward_keyed(x_btc, None)
    }

    /// As [`Mlp::forward`]; with a `key`, adapters' dropout is on.
    pub(crate) fn forward_keyed(&self, x_btc: Tensor<3>, key: Option<Key>) -> Tensor<3> {
        let [inner, outer] = [0, 1].map(|site| key.map(|key| key.fold_in(site)));
        let hidden_btf = match (self.activation, &self.gate) {
            (activation, Some(gate)) => {
                let [gate, up] = Linear::forward_all_keyed([gate, &self.up], x_btc, inner);
                if activation == Activation::Geglu { gelu(gate) * up } else { swiglu(gate, up) }
            }
            (Activation::ReluSquared, _) => relu_squared(self.up.forward_keyed(x_btc, inner)),
            _ => gelu(self.up.forward_keyed(x_btc, inner)),
        };
        self.down.forward_keyed(hidden_btf, outer)
    }

    /// The same network with adapters, as the initializer's configuration has them.
    pub(crate) fn adapted(self, init: &mut Initializer) -> Self {
        Self {
            gate: self.gate.map(|gate| gate.adapted("gate", init)),
            up: self.up.adapted("up", init),
            down: self.down.adapted("down", init),
            ..self
        }
    }
}
