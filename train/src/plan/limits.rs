//! What a device can hold and bind.

use hearth_model::{ParameterCount, Positions, TransformerConfig};
use hearth_wgsl::{Kernel, has_attention_kernel};
use serde::{Deserialize, Serialize};

use super::{
    Cut, Rates,
    size::{F32, elements},
};

/// What a device can hold and bind, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceLimits {
    /// Memory that a step may take, where it is known.
    pub memory: Option<u64>,
    /// Whether that memory is apart from the host's, so that moving tensors to the host makes room.
    pub apart: bool,
    /// Largest tensor: the smaller of the largest buffer and the largest binding. `None` on the CPU.
    pub tensor: Option<u64>,
    /// Whether a driver may reset the device when one kernel takes too long, as Windows does after two seconds.
    pub watchdog: bool,
    /// Which of Hearth's kernels run on it.
    pub kernels: KernelSet,
}

/// The kernels that a device can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelSet {
    /// No kernels: plain operations do all the work.
    Plain,
    /// The kernels of the CPU.
    Cpu,
    /// The kernels in WGSL.
    Wgsl,
}

/// Longest time that a kernel may be predicted to take under a watchdog: a quarter of what Windows allows.
const LONGEST_KERNEL_SECONDS: f64 = 0.5;

impl DeviceLimits {
    /// The limits of the CPU, where nothing else is known.
    pub const fn of_host() -> Self {
        Self { memory: None, apart: false, tensor: None, watchdog: false, kernels: KernelSet::Cpu }
    }

    /// Whether the longest kernel of a step that is cut this way ends before a watchdog resets the device.
    pub fn satisfy_watchdog(&self, model: &TransformerConfig, time: usize, cut: &Cut, rates: &Rates) -> bool {
        !self.watchdog || self.longest_kernel(model, time, cut) / rates.flops <= LONGEST_KERNEL_SECONDS
    }

    /// The largest tensor of a step that is cut this way: its name and its bytes.
    pub fn largest_tensor(&self, model: &TransformerConfig, time: usize, cut: &Cut) -> (&'static str, u64) {
        let positions = cut.micro_batch.saturating_mul(time);
        let shard = model.vocab_shards()[0];
        let queries = model.heads * model.head_width();
        let sizes = [
            (
                "the attention scores [B, H, T, T]",
                if self.has_scores(model) { elements([cut.micro_batch, model.heads, time, time]) } else { 0 },
            ),
            ("the feed-forward activations [B, T, F]", elements([positions, model.ffn_width()])),
            ("the residual stream [B, T, C]", elements([positions, model.width.max(queries)])),
            ("a chunk of logits", elements([cut.logits_chunk.min(positions), shard])),
            ("a shard of the token matrix", elements([shard, model.width])),
            ("a feed-forward matrix [C, F]", elements([model.width, model.ffn_width()])),
            ("a projection of attention [C, H*D]", elements([model.width, queries])),
            (
                "the gradients of a block on their way to the host",
                if cut.policy.uses_host() { ParameterCount::of(model).block as u64 } else { 0 },
            ),
            (
                "the learned positions [T, C]",
                if model.positions == Positions::Learned { elements([model.context_length, model.width]) } else { 0 },
            ),
        ];
        let (name, most) = sizes.into_iter().max_by_key(|(_, elements)| *elements).expect("the list is not empty");
        (name, most.saturating_mul(F32))
    }

    /// Whether a step of `model` has the scores of attention in memory, as it has without its kernels.
    pub(super) fn has_scores(&self, model: &TransformerConfig) -> bool {
        let takes_width = self.kernels == KernelSet::Cpu || has_attention_kernel(model.head_width());
        !(self.run(Kernel::Attention) && takes_width)
    }

    /// Whether `kernel` runs there, on tensors that it takes.
    pub(super) fn run(&self, kernel: Kernel) -> bool {
        let has = match self.kernels {
            KernelSet::Plain => false,
            KernelSet::Cpu => true,
            KernelSet::Wgsl => kernel.has_wgsl_kernel(),
        };
        has && kernel.is_on()
    }

    /// Floating-point operations of the largest dispatch of a step: a matrix product, or four of half the size in
    /// attention's backward pass over keys and values.
    fn longest_kernel(&self, model: &TransformerConfig, time: usize, cut: &Cut) -> f64 {
        let positions = cut.micro_batch.saturating_mul(time);
        let halves = if self.has_scores(model) { 1 } else { 2 };
        let products = [
            elements([positions, model.width, model.ffn_width()]),
            elements([halves, cut.micro_batch, model.heads, time, time, model.head_width()]),
            elements([cut.logits_chunk.min(positions), model.width, model.vocab_shards()[0]]),
        ];
        2.0 * products.into_iter().max().unwrap_or(0) as f64
    }
}
