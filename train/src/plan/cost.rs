//! What a step takes in time, roughly: good enough to rank the ways to cut it.

use super::{Cut, Planner, Subject, size::bytes, weights::Part};
use crate::walk::{Activations, Placement};

/// Share of the matrix products' rate that a whole step reaches.
const EFFICIENCY: f64 = 0.5;
/// Kernels of one block, forward and backward.
const KERNELS: f64 = 90.0;
/// Bytes a second that the CPU's updates pass over: weight and gradient, and what is kept of it, read and written.
const HOST_UPDATE: f64 = 4e9;
/// Floating-point operations a second of the CPU's products.
const HOST_FLOPS: f64 = 5e10;

impl Planner<'_> {
    /// Seconds of one step that is cut this way.
    pub(super) fn seconds(&self, cut: &Cut) -> f64 {
        let Subject { model, time, blocks, extent, .. } = &self.subject;
        let (shape, rates) = (self.shape(cut.micro_batch), self.rates);
        let rows = cut.micro_batch as f64;
        let compute = |flops: f64| flops / (rates.flops * EFFICIENCY);
        let forward = |own: usize| shape.block(blocks.start + own).flops * rows;
        let first_back = self.weights.below_the_way_back(extent);
        // Forward, and back to the input and to the weights.
        let passes = |own: usize| match self.weights.blocks[own].trained {
            _ if own < first_back => 1.0,
            0 => 2.0,
            _ => 3.0,
        };
        let stream = bytes([cut.micro_batch, *time, model.width]) as f64;

        let head = if extent.head { shape.head.flops * rows } else { 0.0 };
        let all = (0..blocks.len()).map(|own| passes(own) * forward(own)).sum::<f64>() + 3.0 * head;
        let mut seconds = compute(all) + KERNELS * blocks.len() as f64 / rates.launches;
        let (mut transferred, mut updates) = (0.0, 0.0);
        for segment in &cut.policy.segments {
            if segment.activations != Activations::Keep && segment.blocks.end > first_back {
                seconds += segment.blocks.clone().map(|own| compute(forward(own))).sum::<f64>();
                seconds += KERNELS / 3.0 * segment.blocks.len() as f64 / rates.launches;
            }
            if segment.activations == Activations::Offload {
                transferred += 2.0 * stream;
            }
            for part in &self.weights.blocks[segment.blocks.clone()] {
                if segment.parameters == Placement::Host {
                    // Up for the forward pass and for the backward pass; gradients down, and up again to be added to.
                    let ups = if segment.activations == Activations::Keep { 1.0 } else { 2.0 };
                    transferred += ups * part.parameters as f64 + part.trained as f64;
                }
                updates += self.update_seconds(part, segment.parameters);
            }
        }
        let ends = [(cut.policy.embedding, &self.weights.embedding), (cut.policy.head, &self.weights.head)];
        for (placement, part) in ends {
            if placement == Placement::Host {
                transferred += 2.0 * (part.parameters + part.trained) as f64;
            }
            updates += self.update_seconds(part, placement);
        }
        (seconds + transferred / rates.link) * cut.accumulation as f64 + updates
    }

    /// Seconds of the updates of a segment's parameters. On the device only products count, on the host what is read and written
    /// as well.
    fn update_seconds(&self, part: &Part, placement: Placement) -> f64 {
        match placement {
            Placement::Device => part.flops / (self.rates.flops * EFFICIENCY),
            Placement::Host => (2 * part.trained + 2 * part.state) as f64 / HOST_UPDATE + part.flops / HOST_FLOPS,
        }
    }
}
