//! The last segment: the residual stream to logits, or to the loss.

use burn::{module::Module, tensor::Tensor};

use crate::{
    Initializer, Norm, TokenMatrix, TransformerConfig,
    loss::softcap,
    shape::{LayerShape, ParameterShape, Site},
};

/// The final norm and the output matrix.
///
/// A tied model has no output matrix of its own: the head is then handed the embedding's, which stays one parameter.
#[derive(Module, Debug)]
pub struct Head {
    /// The final normalisation.
    pub norm: Norm,
    /// The output matrix, `[V, C]`; untied models only.
    pub output: Option<TokenMatrix>,
    #[module(skip)]
    logit_softcap: Option<f64>,
}

impl Head {
    /// A head with random weights.
    pub fn init(init: &mut Initializer) -> Self {
        let config = init.config();
        Self {
            norm: Norm::init(init),
            output: (!config.tied).then(|| TokenMatrix::init(init)),
            logit_softcap: config.logit_softcap,
        }
    }

    /// What a head is made of and what its product takes; its logits come in chunks, which the loss cuts.
    pub fn shape(config: &TransformerConfig, site: &Site) -> LayerShape {
        let (c, v) = (config.width, config.vocab_size);
        let output = (!config.tied).then(|| ParameterShape::new("output", [v, c]));
        LayerShape {
            parameters: Norm::shape(config, site).within("norm").chain(output).collect(),
            flops: 2.0 * site.time as f64 * c as f64 * v as f64,
            ..LayerShape::default()
        }
    }

    /// Maps `[B, T, C]` to logits `[B, T, V]`, all of them at once: for generation and tests, not for training.
    ///
    /// `output` is the matrix that [`Transformer::output`](crate::Transformer::output) returns.
    pub fn logits(&self, x_btc: Tensor<3>, output: &TokenMatrix) -> Tensor<3> {
        softcap(output.logits(self.norm.forward(x_btc)), self.logit_softcap)
    }
}
