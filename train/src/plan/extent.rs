//! What one device has of a model, and of the training of it.

use hearth_model::TransformerConfig;

/// What one device has of a model and of its training: all of it where it is alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extent {
    /// Whether the device has the embedding.
    pub embedding: bool,
    /// Whether the device has the head; without the embedding it has a copy of a tied matrix.
    pub head: bool,
    /// Micro-batches that are in flight at once: forward, and not back yet.
    pub in_flight: usize,
    /// Devices that experts are dealt out over, of which this is the first.
    pub expert_devices: usize,
    /// Devices that the optimizer's state is sharded over.
    pub shards: usize,
    /// Whether gradients leave for the other replicas as the walk passes them, and come back when it is over.
    pub all_reduces: bool,
}

impl Extent {
    /// The extent of one device alone.
    pub const WHOLE: Self =
        Self { embedding: true, head: true, in_flight: 1, expert_devices: 1, shards: 1, all_reduces: false };

    /// The extent of one of `world` replicas, which may shard the optimizer's state.
    pub fn replica(world: usize, shard_optimizer: bool) -> Self {
        Self { shards: if shard_optimizer { world } else { 1 }, all_reduces: world > 1, ..Self::WHOLE }
    }

    /// The extent of stage `number` of a pipeline of `stages`, one of `pipelines` alike, with so many micro-batches a step.
    pub fn stage(number: usize, stages: usize, pipelines: usize, micro_batches: usize) -> Self {
        Self {
            embedding: number == 0,
            head: number + 1 == stages,
            in_flight: (stages - number).min(micro_batches),
            all_reduces: pipelines > 1,
            ..Self::WHOLE
        }
    }

    /// Whether embedding and head are on different devices and have one matrix.
    pub(super) fn splits_tied_matrix(&self, model: &TransformerConfig) -> bool {
        model.tied && self.embedding != self.head
    }
}
