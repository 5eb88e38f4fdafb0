//! Whether a device computes the right numbers: training steps of small models against the CPU backend.
//!
//! wgpu drivers, kernel fusion and autotune have silently produced wrong gradients before. The [`Model`]s here are small,
//! and between them have every kind of operation and every variant of a kernel that a run uses; both sides start from the
//! same weights and data.
//!
//! ```
//! use burn::tensor::Device;
//! use hearth_train::certify::{Model, certify_model};
//!
//! # fn main() -> Result<(), hearth_train::TrainError> {
//! let certificate = pollster::block_on(certify_model(Model::Wide, &Device::flex()))?;
//! assert!(certificate.passed());
//! # Ok(())
//! # }
//! ```

mod certificate;
mod models;

use burn::tensor::{Device, TensorData};
use hearth_wgsl::Kernel;

pub use certificate::Certificate;
pub use models::Model;
use models::{Case, batches};

use crate::{
    TrainError,
    guard::Ceiling,
    optim::{Schedule, ScheduleKind},
    readback::Readback,
    step::{StepOptions, Trainer},
    walk::Walk,
};

/// Trains every [`Model`] on `device` and on the CPU backend, and compares. Waits for the device without blocking the thread.
///
/// # Errors
/// A device that is lost.
pub async fn certify(device: &Device) -> Result<Vec<Certificate>, TrainError> {
    let mut certificates = Vec::with_capacity(Model::ALL.len());
    for model in Model::ALL {
        certificates.push(certify_model(model, device).await?);
    }
    Ok(certificates)
}

/// As [`certify`], with one model.
///
/// # Errors
/// A device that is lost.
pub async fn certify_model(model: Model, device: &Device) -> Result<Certificate, TrainError> {
    let case = model.case()?;
    let (cpu, other) = (train(&case, &Device::flex()).await?, train(&case, device).await?);
    Ok(Certificate::compare(model, cpu, other))
}

/// The kernels without which a device computes the right numbers, where it does not with all of them; `passes` certifies
/// it with those that it is given switched off. Several only where no single one will do; empty where all will not.
pub fn faulty_kernels(mut passes: impl FnMut(&[Kernel]) -> bool) -> Vec<Kernel> {
    if !passes(&Kernel::ALL) {
        return Vec::new();
    }
    match Kernel::ALL.into_iter().find(|kernel| passes(&[*kernel])) {
        Some(kernel) => vec![kernel],
        None => Kernel::ALL.into(),
    }
}

/// What the steps gave on one device.
struct Trained {
    /// Mean loss of each step, nats.
    losses: Vec<f64>,
    /// Gradients of the first step, by the parameter's name.
    gradients: Vec<(String, TensorData)>,
}

async fn train(case: &Case, device: &Device) -> Result<Trained, TrainError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_faulty_kernel_is_named() {
        for faulty in Kernel::ALL {
            assert_eq!(faulty_kernels(|off| off.contains(&faulty)), [faulty]);
        }
        assert_eq!(faulty_kernels(|_| false), []);
        assert_eq!(faulty_kernels(|off| off.len() > 1), Kernel::ALL);
    }
}
