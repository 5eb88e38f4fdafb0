//! What a device can hold and bind.

use hearth_model::{ParameterCount, Positions, TransformerConfig};

use super::{Cut, Rates};

/// A device's limits, in bytes where nothing else is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory that the step may take, where it is known.
    pub memory: Option<u64>,
    /// Whether that memory is apart from the host's, so that moving tensors to the host makes room.
    pub apart: bool,
    /// Largest tensor: the smaller of the largest buffer and the largest binding. `None` on the CPU.
    pub tensor: Option<u64>,
    /// Whether a driver may reset the device when one kernel takes too long, as Windows does after two seconds.
    pub watched: bool,
}

/// What a kernel of a watched device may be predicted to take: a quarter of what Windows bears.
const LONGEST_KERNEL_SECONDS: f64 = 0.5;

impl Limits {
    /// Whether the longest kernel of a step that is cut this way ends before a watchdog looks up.
    pub fn bears(&self, model: &TransformerConfig, time: usize, cut: &Cut, rates: &Rates) -> bool {
        !self.watched || longest_kernel(model, time, cut) / rates.flops <= LONGEST_KERNEL_SECONDS
    }

    /// The largest tensor of a step that is cut this way, with its name.
    pub fn largest_tensor(model: &TransformerConfig, time: usize, cut: &Cut) -> (&'static str, u64) {
        let positions = cut.micro_batch * time;
        let shard = model.vocab_shards()[0];
        let queries = model.heads * model.head_width();
        let sizes = [
            ("the attention scores [B, H, T, T]", cut.micro_batch * model.heads * time * time),
            ("the feed-forward activations [B, T, F]", positions * model.ffn_width()),
            ("the residual stream [B, T, C]", positions * model.width.max(queries)),
            ("a chunk of logits", cut.logits_chunk.min(positions) * shard),
            ("a shard of the token matrix", shard * model.width),
            ("a feed-forward matrix [C, F]", model.width * model.ffn_width()),
            ("a projection of attention [C, H*D]", model.width * queries),
            (
                "the gradients of a block on their way to the host",
                if cut.policy.uses_host() { ParameterCount::of(model).block } else { 0 },
            ),
            (
                "the learned positions [T, C]",
                if model.positions == Positions::Learned { model.context_length * model.width } else { 0 },
            ),
        ];
        let largest = sizes.into_iter().max_by_key(|(_, elements)| *elements).expect("the list is not empty");
        (largest.0, (largest.1 * size_of::<f32>()) as u64)
    }
}

/// Floating-point operations of the largest matrix product of a step, which is one dispatch.
fn longest_kernel(model: &TransformerConfig, time: usize, cut: &Cut) -> f64 {
    let positions = cut.micro_batch * time;
    let products = [
        positions * model.width * model.ffn_width(),
        cut.micro_batch * model.heads * time * time * model.head_width(),
        cut.logits_chunk.min(positions) * model.width * model.vocab_shards()[0],
    ];
    2.0 * products.into_iter().max().unwrap_or(0) as f64
}
