//! What of a model one of several devices has.

use std::ops::Range;

use hearth_model::TransformerConfig;

/// What of a model and of its training a device has: all of it, but for one of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Whether it has the embedding.
    pub embedding: bool,
    /// Whether it has the head; without the embedding, a tied head has a copy of the matrix.
    pub head: bool,
    /// Micro-batches that wait for their way back at once.
    pub held: usize,
    /// Devices that the optimizer's state is dealt out to.
    pub shards: usize,
    /// Whether gradients leave for the other replicas as the walk passes them, and come back when it is over.
    pub hands_over: bool,
}

impl Extent {
    /// One device alone.
    pub const WHOLE: Self = Self { embedding: true, head: true, held: 1, shards: 1, hands_over: false };

    /// One of `world` replicas, which may deal the optimizer's state out.
    pub fn replica(world: usize, shard_optimizer: bool) -> Self {
        Self { shards: if shard_optimizer { world } else { 1 }, hands_over: world > 1, ..Self::WHOLE }
    }

    /// The stage of a pipeline of `stages` that has the blocks `blocks` of `model`, with so many micro-batches a step.
    pub fn stage(
        model: &TransformerConfig,
        number: usize,
        blocks: &Range<usize>,
        stages: usize,
        micro_batches: usize,
    ) -> Self {
        Self {
            embedding: blocks.start == 0,
            head: blocks.end == model.layers,
            held: (stages - number).min(micro_batches),
            ..Self::WHOLE
        }
    }
}
