//! The feed-forward network of a block.

use burn::{module::Module, tensor::Tensor};
use hearth_wgsl::{gelu, relu_squared, swiglu};

use crate::{
    Activation, Initializer, Linear, TransformerConfig,
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
        let up = inner.iter().flat_map(|name| Linear::parameters(name, c, f, config.bias));
        let [stream, hidden] = [c, f].map(|channels| site.positions(channels));
        // A tape has what GELU made of a gate, too.
        let before = (inner.len() as u64 + u64::from(config.mlp == Activation::Geglu)) * hidden;
        LayerShape {
            parameters: up.chain(Linear::parameters("down", f, c, config.bias)).collect(),
            flops: 2.0 * site.time as f64 * c as f64 * f as f64 * (inner.len() + 1) as f64,
            tape: before + hidden,
            forward: before + hidden,
            backward: stream + before,
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
        let hidden_btf = match (self.activation, &self.gate) {
            (activation, Some(gate)) => {
                let [gate, up] = Linear::forward_all([gate, &self.up], x_btc);
                if activation == Activation::Geglu { gelu(gate) * up } else { swiglu(gate, up) }
            }
            (Activation::ReluSquared, _) => relu_squared(self.up.forward(x_btc)),
            _ => gelu(self.up.forward(x_btc)),
        };
        self.down.forward(hidden_btf)
    }
}
