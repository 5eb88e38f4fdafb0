//! The feed-forward network of a block.

use burn::{module::Module, nn::Linear, tensor::Tensor};
use hearth_wgsl::{gelu, swiglu};

use crate::{
    Activation, Initializer,
    project::{project, project_all},
};

/// SwiGLU where there is a gate, tanh-GELU where there is none.
#[derive(Module, Debug)]
pub struct Mlp {
    /// The projection whose activation scales that of `up`, `[C, F]`; SwiGLU only.
    pub gate: Option<Linear>,
    /// The projection to the inner channels, `[C, F]`.
    pub up: Linear,
    /// The projection back to the residual stream, `[F, C]`.
    pub down: Linear,
}

impl Mlp {
    /// A feed-forward network with random weights.
    pub fn init(init: &mut Initializer) -> Self {
        let config = init.config();
        let (c, f, std) = (config.width, config.ffn_width(), config.init_std);
        Self {
            gate: (config.mlp == Activation::Swiglu).then(|| init.linear(c, f, config.bias, std)),
            up: init.linear(c, f, config.bias, std),
            down: init.linear(f, c, config.bias, config.residual_std()),
        }
    }

    /// Maps `[B, T, C]` to `[B, T, C]`.
    pub fn forward(&self, x_btc: Tensor<3>) -> Tensor<3> {
        let hidden_btf = match &self.gate {
            Some(gate) => {
                let [gate, up] = project_all([gate, &self.up], x_btc);
                swiglu(gate, up)
            }
            None => gelu(project(&self.up, x_btc)),
        };
        project(&self.down, hidden_btf)
    }
}
