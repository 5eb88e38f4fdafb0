//! The feed-forward network of a block.

use burn::{module::Module, nn::Linear, tensor::Tensor};
use hearth_wgsl::{gelu, swiglu};

use crate::{Activation, TransformerConfig, init::Initializer};

/// SwiGLU where there is a gate, tanh-GELU where there is none.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[C, F]`, SwiGLU only.
    pub gate: Option<Linear>,
    /// `[C, F]`
    pub up: Linear,
    /// `[F, C]`
    pub down: Linear,
}

impl Mlp {
    pub(crate) fn init(config: &TransformerConfig, residual_std: f64, init: &mut Initializer) -> Self {
        let (c, f, std) = (config.width, config.ffn_width(), config.init_std);
        Self {
            gate: (config.mlp == Activation::Swiglu).then(|| init.linear(c, f, config.bias, std)),
            up: init.linear(c, f, config.bias, std),
            down: init.linear(f, c, config.bias, residual_std),
        }
    }

    /// Maps `[B, T, C]` to `[B, T, C]`.
    pub fn forward(&self, x_btc: Tensor<3>) -> Tensor<3> {
        let hidden_btf = match &self.gate {
            Some(gate) => swiglu(gate.forward(x_btc.clone()), self.up.forward(x_btc)),
            None => gelu(self.up.forward(x_btc)),
        };
        self.down.forward(hidden_btf)
    }
}
