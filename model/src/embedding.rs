//! The first segment: token ids to the residual stream.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor},
};
use hearth_wgsl::{Key, dropout};

use crate::{
    Frame, Initializer, Positions, TokenMatrix, TransformerConfig,
    shape::{LayerShape, ParameterShape, elements},
};

/// Looks up a vector for each token, and adds one for its position where positions are learned.
#[derive(Module, Debug)]
pub struct Embedding {
    /// A vector for each token, `[V, C]`; the head's matrix too where the model is tied.
    pub tokens: TokenMatrix,
    /// A vector for each position, `[T, C]`; learned positions only.
    pub positions: Option<Param<Tensor<2>>>,
    #[module(skip)]
    scale: f64,
    #[module(skip)]
    dropout: f64,
}

impl Embedding {
    /// An embedding with random vectors.
    pub fn init(init: &mut Initializer) -> Self {
        let config = init.config();
        let tokens = TokenMatrix::init(init);
        let positions = (config.positions == Positions::Learned)
            .then(|| init.normal([config.context_length, config.width], config.init_std));
        Self { tokens, positions, scale: config.embedding_scale, dropout: config.dropout }
    }

    /// What an embedding is made of; it keeps nothing.
    pub fn shape(config: &TransformerConfig) -> LayerShape {
        let (width, shard) = (config.width, config.vocab_shards().first().copied().unwrap_or(0));
        let positions = (config.positions == Positions::Learned).then_some([config.context_length, width]);
        let parameters =
            [("tokens", [config.vocab_size, width])].into_iter().chain(positions.map(|it| ("positions", it)));
        LayerShape {
            parameters: parameters.map(|(name, shape)| ParameterShape::new(name, shape)).collect(),
            tensors: vec![
                ("a shard of the token matrix", elements([shard, width])),
                ("the learned positions [T, C]", positions.map_or(0, elements)),
            ],
            ..LayerShape::default()
        }
    }

    /// Maps ids `[B, T]` at the positions of `frame` to the residual stream `[B, T, C]`.
    ///
    /// With a `key`, dropout is on.
    pub fn forward(&self, tokens_bt: Tensor<2, Int>, frame: &Frame, key: Option<Key>) -> Tensor<3> {
        self.place(self.tokens.rows(tokens_bt), frame, key)
    }

    /// What becomes of the tokens' vectors `[B, T, C]` on their way to the residual stream: they are scaled, those of positions are added, and
    /// with a `key`, dropout is on.
    pub fn place(&self, x: Tensor<3>, frame: &Frame, key: Option<Key>) -> Tensor<3> {
        let [b, t, _] = x.dims();
        let x = if self.scale == 1.0 { x } else { x.mul_scalar(self.scale) };
        let x = match (&self.positions, &frame.positions) {
            (None, _) => x,
            (Some(table), None) => x + table.val().narrow(0, frame.start, t).unsqueeze(),
            (Some(table), Some(positions_bt)) => {
                let [_, c] = table.dims();
                x + table.val().select(0, positions_bt.clone().reshape([b * t])).reshape([b, t, c])
            }
        };
        match key {
            Some(key) if self.dropout > 0.0 => dropout(x, key, self.dropout),
            _ => x,
        }
    }
}
