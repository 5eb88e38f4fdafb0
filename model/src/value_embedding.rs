//! Value embeddings: what a block adds to the values of its attention, looked up for each position's token.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, activation::sigmoid},
};
use hearth_wgsl::linear;

use crate::{
    Initializer, TokenMatrix, TransformerConfig,
    shape::{LayerShape, ParameterShape, Site, elements},
};

/// Channels of the block's input that decide about the gates.
const GATE_CHANNELS: usize = 12;
/// The most that a vector is multiplied by.
pub(crate) const LARGEST_GATE: f64 = 3.0;

/// A vector for each token, added to the position's values by a gate a head: `v + 3 sigmoid(x[..12] gate) table[token]`.
///
/// As in nanochat's `gpt.py` (July 2026, `has_ve`), after modded-nanogpt and the value residual of Zhou et al. (2024, arXiv
/// 2410.17897).
#[derive(Module, Debug)]
pub struct ValueEmbedding {
    /// A vector for each token, `[V, K*D]`.
    pub table: TokenMatrix,
    /// The projection of the first 12 channels, or of all where there are fewer, to the logits of gates, `[12, K]`.
    pub gate: Param<Tensor<2>>,
}

impl ValueEmbedding {
    /// A table with random vectors.
    pub fn init(init: &mut Initializer) -> Self {
        let config = init.config();
        Self {
            table: TokenMatrix::init_of(config.kv_heads() * config.head_width(), init),
            gate: init.normal([gate_channels(config), config.kv_heads()], config.init_std),
        }
    }

    /// What it is made of and takes: the tape has the vectors, the gates and the channels that decide about these.
    pub fn shape(config: &TransformerConfig, site: &Site) -> LayerShape {
        let (columns, channels) = (config.kv_heads() * config.head_width(), gate_channels(config));
        let shard = config.shards_of(columns).first().copied().unwrap_or(0);
        let [vectors, gates] = [columns, config.kv_heads()].map(|channels| site.positions(channels));
        LayerShape {
            parameters: vec![
                ParameterShape::new("table", [config.vocab_size, columns]),
                ParameterShape::new("gate", [channels, config.kv_heads()]),
            ],
            flops: 2.0 * site.time as f64 * (channels * config.kv_heads()) as f64,
            tape: vectors + 2 * gates + site.positions(channels),
            forward: 2 * vectors,
            backward: 2 * vectors,
            tensors: vec![("a shard of a value embedding", elements([shard, columns]))],
            ..LayerShape::default()
        }
    }

    /// The values `[B, T, K, D]` with what the tokens `[B, T]` add to them, by gates that the attention's input `[B, T, C]`
    /// decides about.
    pub fn forward(&self, v_btkd: Tensor<4>, x_btc: Tensor<3>, tokens_bt: Tensor<2, Int>) -> Tensor<4> {
        let [b, t, k, d] = v_btkd.dims();
        let [channels, _] = self.gate.dims();
        let logits_btk = linear(x_btc.narrow(2, 0, channels), self.gate.val(), None);
        let gates_btk = sigmoid(logits_btk) * LARGEST_GATE;
        v_btkd + self.table.rows(tokens_bt).reshape([b, t, k, d]) * gates_btk.reshape([b, t, k, 1])
    }
}

fn gate_channels(config: &TransformerConfig) -> usize {
    config.width.min(GATE_CHANNELS)
}
