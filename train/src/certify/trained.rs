//! A model's training on one device.

use burn::tensor::{Device, TensorData};

use super::models::{Case, batches};
use crate::{
    TrainError,
    guard::Ceiling,
    optim::{Schedule, ScheduleKind},
    readback::Readback,
    step::{StepOptions, Trainer},
    walk::Walk,
};

/// What the steps gave on one device.
pub(super) struct Trained {
    /// Mean loss of each step, nats.
    pub losses: Vec<f64>,
    /// Gradients of the first step, by the parameter's name.
    pub gradients: Vec<(String, TensorData)>,
}

/// Trains a model from its beginning.
pub(super) async fn train(case: &Case, device: &Device) -> Result<Trained, TrainError> {
    let schedule = Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() };
    let options = StepOptions { schedule, seed: 5, ..StepOptions::new(case.steps) };
    let config = &case.config;
    let mut walk = Walk::new(config, config.context_length, device);
    walk.loss.z_loss = 1e-3;
    walk.loss.chunk = case.logits_chunk;
    walk.policy = case.policy.clone();
    let mut trainer = Trainer::new(config.init(1, device)?, walk, options);
    let (_, sink) = trainer.gradients(0, &batches(config, 0));
    let gradients = sink.read_named(trainer.model()).await.map_err(TrainError::of_device)?;
    let mut losses = Vec::new();
    for step in 0..case.steps {
        let loss = trainer.step(step, &batches(config, step), &Ceiling::FINITE).loss;
        let loss = Readback::new(loss).data().await.map_err(TrainError::of_device)?;
        losses.push(loss.iter::<f32>().next().map_or(f64::NAN, f64::from));
    }
    Ok(Trained { losses, gradients })
}
