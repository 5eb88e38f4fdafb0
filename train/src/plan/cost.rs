//! What a step takes in time, roughly: good enough to rank the ways to cut it.

use hearth_model::{Flops, ParameterCount, TransformerConfig};

use super::{
    Cut,
    size::{F32, elements},
};
use crate::walk::{Activations, Placement};

/// What a device does in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rates {
    /// Floating-point operations a second of a large matrix product.
    pub flops: f64,
    /// Bytes a second between host and device memory.
    pub link: f64,
    /// Kernels that the host launches in a second.
    pub launches: f64,
}

/// Share of the matrix products' rate that a whole step reaches.
const EFFICIENCY: f64 = 0.5;
/// Kernels of one block, forward and backward.
const KERNELS: f64 = 90.0;
/// Bytes a second that the CPU's AdamW passes over: 4 bytes each of weight and gradient, 8 of moments, some twice.
const HOST_UPDATE: f64 = 4e9;

impl Default for Rates {
    /// A middling GPU on PCIe 3.0 x16.
    fn default() -> Self {
        Self { flops: 5e12, link: 8e9, launches: 1e5 }
    }
}

impl Rates {
    /// The rates of a device whose matrix products reach `flops` floating-point operations a second; the others are the
    /// default's.
    pub fn of_flops(flops: f64) -> Self {
        Self { flops, ..Self::default() }
    }

    /// Seconds of one step of `cut` on windows of `time` tokens.
    pub fn seconds(&self, model: &TransformerConfig, time: usize, cut: &Cut) -> f64 {
        let rows = cut.micro_batch as f64;
        let flops = Flops::per_sequence(model, time);
        let head = 2.0 * elements([time, model.width, model.vocab_size]) as f64;
        let block_forward = (flops.forward - head) / model.layers as f64 * rows;
        let compute = |flops: f64| flops / (self.flops * EFFICIENCY);
        let parameters = ParameterCount::of(model);
        let stream = elements([cut.micro_batch, time, model.width]) as f64 * F32 as f64;
        let bytes = |count: usize| count as f64 * F32 as f64;

        let mut seconds = compute(flops.training * rows) + KERNELS * model.layers as f64 / self.launches;
        let (mut transferred, mut on_host) = (0.0, 0.0);
        for segment in &cut.policy.segments {
            let blocks = segment.blocks.len() as f64;
            if segment.activations != Activations::Keep {
                seconds += compute(block_forward * blocks) + KERNELS / 3.0 * blocks / self.launches;
            }
            if segment.activations == Activations::Offload {
                transferred += 2.0 * stream;
            }
            if segment.parameters == Placement::Host {
                // Up for the forward pass and for the backward pass; gradients down, and up again to be added to.
                let copies = if segment.activations == Activations::Keep { 2.0 } else { 3.0 };
                transferred += copies * blocks * bytes(parameters.block);
                on_host += blocks * bytes(parameters.block);
            }
        }
        for (placement, count) in [(cut.policy.embedding, parameters.embedding), (cut.policy.head, parameters.head)] {
            if placement == Placement::Host {
                transferred += 4.0 * bytes(count);
                on_host += bytes(count);
            }
        }
        (seconds + transferred / self.link) * cut.accumulation as f64 + 6.0 * on_host / HOST_UPDATE
    }
}
