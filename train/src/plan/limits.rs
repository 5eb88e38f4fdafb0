//! What a device can hold and bind.

use hearth_model::{ParameterCount, Positions, TransformerConfig};
use hearth_wgsl::{Kernel, has_attention_kernel};

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
    /// Whether Hearth's kernels run on it.
    pub kernels: bool,
}

/// What a kernel of a watched device may be predicted to take: a quarter of what Windows bears.
const LONGEST_KERNEL_SECONDS: f64 = 0.5;

impl Limits {
    /// Whether the longest kernel of a step that is cut this way ends before a watchdog looks up.
    pub fn bears(&self, model: &TransformerConfig, time: usize, cut: &Cut, rates: &Rates) -> bool {
        !self.watched || self.longest_kernel(model, time, cut) / rates.flops <= LONGEST_KERNEL_SECONDS
    }

    /// The largest tensor of a step that is cut this way, with its name.
    pub fn largest_tensor(&self, model: &TransformerConfig, time: usize, cut: &Cut) -> (&'static str, u64) {
        let scores = if self.has_scores(model) { cut.micro_batch * model.heads * time * time } else { 0 };
        let positions = cut.micro_batch * time;
        let shard = model.vocab_shards()[0];
        let queries = model.heads * model.head_width();
        let sizes = [
            ("the attention scores [B, H, T, T]", scores),
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

    /// Whether a step of `model` has the scores of attention in memory, as it has without its kernels.
    pub(super) fn has_scores(&self, model: &TransformerConfig) -> bool {
        !(self.kernels && Kernel::Attention.is_on() && has_attention_kernel(model.head_width()))
    }

    /// Floating-point operations of the largest dispatch of a step: a matrix product, or four of half the size in
    /// attention's backward pass over keys and values.
    fn longest_kernel(&self, model: &TransformerConfig, time: usize, cut: &Cut) -> f64 {
        let positions = cut.micro_batch * time;
        let attention = cut.micro_batch * model.heads * time * time * model.head_width();
        let products = [
            positions * model.width * model.ffn_width(),
            if self.has_scores(model) { attention } else { 2 * attention },
            cut.logits_chunk.min(positions) * model.width * model.vocab_shards()[0],
        ];
        2.0 * products.into_iter().max().unwrap_or(0) as f64
    }
}
