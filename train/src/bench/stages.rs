//! A step in stages, with a wait between them.

use std::time::Instant;

use burn::tensor::Device;

use super::subject::Subject;
use crate::{
    TrainError,
    guard::Ceiling,
    walk::{MicroBatch, Sink},
};

/// Seconds of the stages of a step, of all its micro-batches together.
#[derive(Default)]
pub(super) struct Stages {
    pub embedding: f64,
    pub blocks: f64,
    pub head: f64,
    pub update: f64,
}

impl Subject {
    /// Takes a step in stages; returns the seconds of each.
    pub fn take_stages(&mut self) -> Result<Stages, TrainError> {
        let batches = self.batches();
        let device = self.device.clone();
        let mut clock = Clock { device: &device };
        let mut stages = Stages::default();
        let (walk, model) = (self.trainer.walk(), self.trainer.model());
        let scale = self.trainer.scale(batches.iter().map(|batch| batch.counted()).sum());
        let key = self.trainer.key(self.step);
        let (mut sink, mut losses) = (Sink::default(), Vec::new());
        for (index, batch) in batches.iter().enumerate() {
            let key = key.map(|key| key.fold_in(index as u64));
            let (mut state, targets) = walk.begin(MicroBatch::new(batch, &device), key, scale);
            let x_btc = clock.time(&mut stages.embedding, || walk.embed(model, &state))?;
            let x_btc = clock.time(&mut stages.blocks, || walk.forward_blocks(model, &mut state, x_btc))?;
            let top = clock.time(&mut stages.head, || {
                let mut top = walk.head(model, x_btc, targets, scale, &mut sink);
                let tied = std::mem::take(&mut top.tied);
                tied.into_iter().for_each(|(id, half)| sink.keep_tied_half(id, half, walk.policy.embedding));
                top
            })?;
            losses.push(top.loss);
            let gradient_btc = clock
                .time(&mut stages.blocks, || walk.backward_blocks(model, &mut state, top.gradient_btc, &mut sink))?;
            clock.time(&mut stages.embedding, || walk.backward_embedding(model, state, gradient_btc, &mut sink))?;
        }
        let loss = losses.into_iter().reduce(|sum, loss| sum + loss).expect("a step has a micro-batch") * scale;
        let (trainer, step) = (&mut self.trainer, self.step);
        clock.time(&mut stages.update, || trainer.update(step, loss, sink, &Ceiling::FINITE))?;
        self.step += 1;
        Ok(stages)
    }
}

/// Times what a device is given.
pub(super) struct Clock<'a> {
    pub device: &'a Device,
}

impl Clock<'_> {
    /// Does `work` alone on the device, and adds its seconds to `sum`.
    pub fn time<R>(&mut self, sum: &mut f64, work: impl FnOnce() -> R) -> Result<R, TrainError> {
        self.device.sync().map_err(TrainError::of_device)?;
        let start = Instant::now();
        let found = work();
        self.device.sync().map_err(TrainError::of_device)?;
        *sum += start.elapsed().as_secs_f64();
        Ok(found)
    }
}
