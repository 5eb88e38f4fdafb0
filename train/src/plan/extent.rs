//! What of a model one of several devices has.

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

    /// Stage `number` of a pipeline of `stages`, one of `pipelines` alike, with so many micro-batches a step.
    pub fn stage(number: usize, stages: usize, pipelines: usize, micro_batches: usize) -> Self {
        Self {
            embedding: number == 0,
            head: number + 1 == stages,
            held: (stages - number).min(micro_batches),
            hands_over: pipelines > 1,
            ..Self::WHOLE
        }
    }
}
