//! A model on one of several devices, kept equal to the others.

use burn::tensor::Tensor;
use hearth_data::Batch;

use super::{Collective, CollectiveError, Exchange};
use crate::{
    guard::Ceiling,
    step::{StepOutcome, Trainer},
    walk::Sink,
};

/// One rank's trainer. All begin with the same parameters and make the same updates, so that they stay equal.
pub struct Replica {
    trainer: Trainer,
    exchange: Exchange,
}

impl Replica {
    /// A replica of the model that all ranks of `collective` have.
    ///
    /// # Panics
    /// If the walk keeps parameters in host memory: their gradients are not handed over.
    pub fn new(trainer: Trainer, collective: impl Collective + 'static) -> Self {
        assert!(!trainer.walk().policy.uses_host(), "a replica keeps its parameters on its device");
        Self { trainer, exchange: Exchange::new(collective) }
    }

    /// Its model and optimizer.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Does step number `step` with this rank's share of the global batch, whose first micro-batch is number `first` of
    /// it. The outcome is that of the whole batch.
    ///
    /// Losses and gradients are added in the order of the ranks: where each rank has one micro-batch, to the same bits as
    /// on one device that takes all of them.
    ///
    /// # Errors
    /// A rank that is gone; the parameters are then those before the step.
    pub fn step(
        &mut self,
        step: u64,
        first: usize,
        micro_batches: &[Batch],
        ceiling: &Ceiling,
    ) -> Result<StepOutcome, CollectiveError> {
        step_together(&mut self.trainer, &self.exchange, step, first, micro_batches, ceiling)
    }

    /// See [`Trainer::loss_factor`].
    pub(crate) fn set_loss_factor(&mut self, factor: f64) {
        self.trainer.loss_factor = factor;
    }
}

/// See [`Replica::step`].
pub(crate) fn step_together(
    trainer: &mut Trainer,
    exchange: &Exchange,
    step: u64,
    first: usize,
    micro_batches: &[Batch],
    ceiling: &Ceiling,
) -> Result<StepOutcome, CollectiveError> {
    let counted = exchange.sum(micro_batches.iter().map(Batch::counted).sum())?;
    let mut sink = Sink::handing_over(exchange.outgoing());
    let loss = trainer.walk_all(step, first, micro_batches, counted, &mut sink);
    exchange.outgoing().send(loss);
    let device = trainer.walk().device.clone();
    let gradients = sink.received(&device, || exchange.receive())?;
    let loss = Tensor::<1>::from_floats(exchange.receive()?.as_slice(), &device) * trainer.scale(counted);
    Ok(trainer.update(step, loss, gradients, ceiling))
}
