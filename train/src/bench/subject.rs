//! What is measured: a trainer with batches of made-up tokens.

use std::time::Instant;

use burn::tensor::Device;
use hearth_data::Batch;
use hearth_model::Key;

use crate::{
    TrainConfig, TrainError, engine::build, guard::Ceiling, plan::Cut, readback::Readback, session::Origin,
    step::Trainer,
};

/// A trainer that is about to take its next step.
pub(super) struct Subject {
    pub trainer: Trainer,
    pub cut: Cut,
    pub device: Device,
    time: usize,
    vocabulary: usize,
    /// Number of steps until now.
    pub step: u64,
    /// Loss of the last step.
    loss: f32,
}

impl Subject {
    pub fn new(config: &TrainConfig, cut: &Cut, device: &Device) -> Result<Self, TrainError> {
        let device = device.clone().without_autodiff();
        Ok(Self {
            trainer: build::trainer(config, cut, &device, &Origin::Seed)?,
            cut: cut.clone(),
            device,
            time: config.model.context_length,
            vocabulary: config.model.vocab_size,
            step: 0,
            loss: f32::NAN,
        })
    }

    /// Takes steps that are not counted.
    pub fn warm_up(&mut self, steps: usize) -> Result<(), TrainError> {
        (0..steps.max(1)).try_for_each(|_| self.take_step().map(drop))?;
        if self.device.memory_pool_usage().is_some() {
            // Choosing kernels took memory that steps do not.
            self.device.memory_cleanup();
            self.take_step()?;
        }
        Ok(())
    }

    /// Loss of the last step, nats per token.
    pub fn loss(&self) -> f32 {
        self.loss
    }

    /// What the device's pool has reserved.
    pub fn pool_bytes(&self) -> Option<u64> {
        self.device.memory_pool_usage().map(|usage| usage.bytes_reserved)
    }

    /// Takes a step and waits for it; returns its seconds.
    pub fn take_step(&mut self) -> Result<f64, TrainError> {
        let batches = self.batches();
        self.device.sync().map_err(TrainError::of_device)?;
        let start = Instant::now();
        let outcome = self.trainer.step(self.step, &batches, &Ceiling::FINITE);
        let loss = Readback::new(outcome.loss).wait().map_err(TrainError::of_device)?;
        self.device.sync().map_err(TrainError::of_device)?;
        let seconds = start.elapsed().as_secs_f64();
        self.step += 1;
        self.loss = loss.iter::<f32>().next().unwrap_or(f32::NAN);
        Ok(seconds)
    }

    /// The micro-batches of the next step: ids that are equally likely, and others in each step.
    pub fn batches(&self) -> Vec<Batch> {
        let (rows, time) = (self.cut.micro_batch, self.time);
        let key = Key::new(self.step);
        let id = |at: usize| {
            let [word, _] = key.bits([at as u32, 0]);
            (u64::from(word) * self.vocabulary as u64 >> 32) as i32
        };
        let ids = |first: usize| (first..first + rows * time).map(id).collect();
        let batch = |number: usize| {
            let first = number * (rows * time + 1);
            Batch { inputs: ids(first), targets: ids(first + 1), rows, time, packing: None }
        };
        (0..self.cut.accumulation).map(batch).collect()
    }
}
