//! A block that Hearth does not have: a gated linear recurrence in the place of attention.

use hearth_model::{Frame, Initializer, Key, LayerShape, Linear, Mlp, Norm, Site, TransformerBlock, TransformerConfig};
use hearth_train::burn::{
    self,
    module::Module,
    tensor::{Tensor, activation::sigmoid},
};

/// minGRU (Feng et al. 2024, arXiv 2410.01201, section 3.1): `h_t = (1 - z_t) h_(t-1) + z_t c_t`, where the gate `z` and the
/// candidate `c` are projections of the input alone, so that all positions are computed at once. Around it what a block
/// has: normalisations, residual connections, a feed-forward network.
///
/// Rows of several documents are one sequence to it.
#[derive(Module, Debug)]
pub struct RecurrentBlock {
    /// The normalisation before the recurrence.
    pub norm: Norm,
    /// How much of a state is new, `z`, before the sigmoid.
    pub gate: Linear,
    /// What is new, `c`.
    pub candidate: Linear,
    /// From the states to the residual stream.
    pub output: Linear,
    /// The normalisation before the feed-forward network.
    pub mlp_norm: Norm,
    /// What mixes channels.
    pub mlp: Mlp,
}

impl TransformerBlock for RecurrentBlock {
    fn init(_layer: usize, init: &mut Initializer) -> Self {
        let TransformerConfig { width, init_std, .. } = *init.config();
        let mut projection = || Linear::init(width, width, init_std, init);
        let [gate, candidate, output] = [projection(), projection(), projection()];
        Self { norm: Norm::init(init), gate, candidate, output, mlp_norm: Norm::init(init), mlp: Mlp::init(init) }
    }

    fn shape(config: &TransformerConfig, _layer: usize, site: &Site) -> LayerShape {
        let (norm, stream) = (Norm::shape(config, site), site.positions(config.width));
        let projection = Linear::shape(config.width, config.width, config, site);
        let layers = LayerShape::sum([
            ("norm", norm.clone()),
            ("gate", projection.clone()),
            ("candidate", projection.clone()),
            ("output", projection),
            ("mlp_norm", norm),
            ("mlp", Mlp::shape(config, site)),
        ]);
        // Gate, candidate, what is left of the state and the states; of a round what it shifts and what it makes of the decay.
        let tape = (4 + 3 * rounds(site.time)) * stream;
        LayerShape {
            tape: layers.tape + tape,
            forward: layers.forward.max(6 * stream) + stream,
            backward: layers.backward.max(6 * stream) + stream,
            ..layers
        }
    }

    fn forward(&self, x_btc: Tensor<3>, _frame: &Frame, _key: Option<Key>) -> Tensor<3> {
        let [gate, candidate] = Linear::forward_all([&self.gate, &self.candidate], self.norm.forward(x_btc.clone()));
        let gate = sigmoid(gate);
        let decay = gate.clone().neg().add_scalar(1.0);
        let x_btc = x_btc + self.output.forward(scan(decay, gate * candidate));
        x_btc.clone() + self.mlp.forward(self.mlp_norm.forward(x_btc))
    }
}

/// The states `h_t = decay_t * h_(t-1) + input_t` `[B, T, C]` from a state of zeros on, in about `log2 T` rounds: after each a
/// position has what twice as many positions add to it (Hillis and Steele 1986, "Data Parallel Algorithms").
pub fn scan(mut decay_btc: Tensor<3>, mut input_btc: Tensor<3>) -> Tensor<3> {
    let time = decay_btc.dims()[1];
    for round in 0..rounds(time) {
        let shift = 1 << round;
        input_btc = input_btc.clone() + decay_btc.clone() * later(input_btc, shift);
        decay_btc = decay_btc.clone() * later(decay_btc, shift);
    }
    input_btc
}

/// Rounds of a scan over so many positions.
fn rounds(time: usize) -> u64 {
    time.next_power_of_two().trailing_zeros().into()
}

/// Every position's value `shift` positions later, and zeros before.
fn later(x_btc: Tensor<3>, shift: usize) -> Tensor<3> {
    let time = x_btc.dims()[1];
    let zeros = x_btc.zeros_like().narrow(1, 0, shift);
    Tensor::cat(vec![zeros, x_btc.narrow(1, 0, time - shift)], 1)
}
