//! A model on one of several devices, kept equal to the others.

use std::time::Instant;

use burn::tensor::Tensor;
use hearth_data::Batch;

use super::{CollectiveError, Exchange, Kind, Outer, Span, sharded, state};
use crate::{
    config::ParallelConfig,
    guard::Ceiling,
    optim::Shard,
    step::{RankFigures, StepOutcome, Trainer},
    walk::Sink,
};

/// One rank's trainer. All begin with the first one's state and make the same updates, so that they stay equal.
pub struct Replica {
    trainer: Trainer,
    exchange: Exchange,
    outer: Option<Outer>,
}

impl Replica {
    /// A replica of what rank 0 has: the others take its parameters and moments.
    ///
    /// # Errors
    /// A rank that is gone.
    ///
    /// # Panics
    /// If the walk keeps parameters in host memory: their gradients are not handed over.
    pub fn new(
        mut trainer: Trainer,
        mut exchange: Exchange,
        settings: &ParallelConfig,
    ) -> Result<Self, CollectiveError> {
        let outer = join(&mut trainer, &mut exchange, settings, None)?;
        Ok(Self { trainer, exchange, outer })
    }

    /// Its model and optimizer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Does step number `step` with this rank's share of the global batch, whose first micro-batch is number `first` of
    /// it. The outcome is that of the whole batch, and every rank's figures come with it.
    ///
    /// Losses and gradients are added in the order of the ranks: where each rank has one micro-batch, to the same bits as
    /// on one device that takes all of them.
    ///
    /// # Errors
    /// A rank that is gone; the parameters are then those before the step, if the optimizer is not sharded.
    pub fn step(
        &mut self,
        step: u64,
        first: usize,
        micro_batches: &[Batch],
        ceiling: &Ceiling,
    ) -> Result<(StepOutcome, Vec<RankFigures>), CollectiveError> {
        step_together(&mut self.trainer, &mut self.exchange, step, first, micro_batches, ceiling)
    }

    /// Does a step alone; after the last of `local_steps`, call [`Replica::average`].
    pub fn step_alone(&mut self, step: u64, micro_batches: &[Batch]) -> StepOutcome {
        self.trainer.step(step, micro_batches, &Ceiling::FINITE)
    }

    /// The outer step of low-communication training: all ranks come to the same parameters.
    ///
    /// # Errors
    /// A rank that is gone.
    ///
    /// # Panics
    /// If `local_steps` was 0.
    pub fn average(&mut self) -> Result<(), CollectiveError> {
        self.outer.as_mut().expect("local_steps is set").step(&mut self.trainer, &mut self.exchange)
    }

    /// Lets go of the others, which do the same.
    pub fn finish(self) -> Trainer {
        self.exchange.finish();
        self.trainer
    }
}

/// Takes rank 0's state, and prepares for what `settings` say. `momentum` is rank 0's of the outer steps, if it has one.
pub(crate) fn join(
    trainer: &mut Trainer,
    exchange: &mut Exchange,
    settings: &ParallelConfig,
    momentum: Option<Vec<f32>>,
) -> Result<Option<Outer>, CollectiveError> {
    assert!(!trainer.walk().policy.uses_host(), "a replica keeps its parameters on its device");
    let momentum = state::share(trainer, exchange, momentum)?;
    if settings.shard_optimizer {
        trainer.shard(Shard { rank: exchange.rank(), world: exchange.world() });
    }
    let alone = settings.local_steps > 0;
    alone.then(|| Outer::new(trainer.model(), settings.clone(), momentum)).transpose()
}

/// See [`Replica::step`].
pub(crate) fn step_together(
    trainer: &mut Trainer,
    exchange: &mut Exchange,
    step: u64,
    first: usize,
    micro_batches: &[Batch],
    ceiling: &Ceiling,
) -> Result<(StepOutcome, Vec<RankFigures>), CollectiveError> {
    let counted = exchange.sum(micro_batches.iter().map(Batch::counted).sum())?;
    let since = exchange.begin();
    let mut sink = Sink::with_outlet(exchange.jobs());
    let loss = trainer.walk_all(step, first, micro_batches, counted, &mut sink);
    exchange.lag(since.0);
    exchange.send_loss(loss, since);
    note(exchange, Kind::Walk, since.0);
    let device = trainer.walk().device.clone();
    let gradients = sink.with_sums(&device, || exchange.receive())?;
    let (loss, figures) = exchange.receive_loss()?;
    let start = Instant::now();
    let loss = Tensor::<1>::from_floats([loss], &device) * trainer.scale(counted);
    let outcome = match trainer.optimizer().is_sharded() {
        None => trainer.update(step, loss, gradients, ceiling),
        Some(shard) => sharded::update(trainer, exchange, shard, step, loss, gradients, ceiling)?,
    };
    note(exchange, Kind::Update, start);
    Ok((outcome, figures))
}

fn note(exchange: &Exchange, kind: Kind, start: Instant) {
    if let Some(timeline) = exchange.timeline() {
        timeline.note(Span { rank: exchange.rank(), kind, start, end: Instant::now() });
    }
}
