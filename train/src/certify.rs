//! Whether a device computes the right numbers: ten steps of a small model against the CPU backend.
//!
//! wgpu drivers, kernel fusion and autotune have silently produced wrong gradients before. The model here is small
//! but has every kind of operation that training uses; both sides start from the same weights and data.

use burn::tensor::{Device, TensorData};
use hearth_data::{Batch, IGNORED};
use hearth_model::{Activation, NormKind, Positions, TransformerConfig, preset};
use hearth_wgsl::Kernel;

use crate::{
    TrainError,
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule, ScheduleKind},
    step::{StepOptions, Trainer},
    walk::Walk,
};

/// Largest difference of a gradient, relative to the tensor's largest value.
const GRADIENT_TOLERANCE: f64 = 1e-4;
/// Largest relative difference of a loss.
const LOSS_TOLERANCE: f64 = 1e-5;
const STEPS: u64 = 10;
const ROWS: usize = 3;
const TIME: usize = 37;

/// The comparison of one model on two devices.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Which model.
    pub model: &'static str,
    /// Losses of the ten steps: on the CPU backend, on the device.
    pub losses: Vec<[f64; 2]>,
    /// For each parameter the difference of its first gradient, relative to its largest value.
    pub gradients: Vec<(String, f64)>,
}

impl Certificate {
    /// The largest relative difference of a loss; NaN where one is no number.
    pub fn loss_error(&self) -> f64 {
        largest(self.losses.iter().map(|[cpu, device]| (cpu - device).abs() / cpu.abs()))
    }

    /// The parameter whose gradient differs most.
    pub fn worst_gradient(&self) -> (&str, f64) {
        let worst = |a: &&(String, f64), b: &&(String, f64)| a.1.total_cmp(&b.1);
        self.gradients.iter().max_by(worst).map_or(("none", f64::NAN), |(name, error)| (name, *error))
    }

    /// The gradients that differ by more than rounding explains; one that is no number is among them.
    pub fn wrong_gradients(&self) -> impl Iterator<Item = &(String, f64)> {
        self.gradients.iter().filter(|(_, error)| error.is_nan() || *error > GRADIENT_TOLERANCE)
    }

    /// Whether all differences are within what rounding explains.
    pub fn passed(&self) -> bool {
        self.loss_error() <= LOSS_TOLERANCE && !self.gradients.is_empty() && self.wrong_gradients().next().is_none()
    }
}

/// Trains two small models, one of each family, on `device` and on the CPU backend, and compares.
///
/// # Errors
/// What initialising a model can give.
pub fn certify(device: &Device) -> Result<Vec<Certificate>, TrainError> {
    models()?.into_iter().map(|(name, config)| certify_model(name, &config, device)).collect()
}

/// A Llama with grouped heads, QK-norm, a window and a soft-cap, and a GPT-2 with biases, dropout and a tied head.
fn models() -> Result<[(&'static str, TransformerConfig); 2], TrainError> {
    let llama = TransformerConfig {
        vocab_size: 97,
        context_length: TIME,
        layers: 2,
        width: 64,
        heads: 4,
        kv_heads: 2,
        ffn_width: 160,
        norm: NormKind::Rms,
        positions: Positions::Rope,
        mlp: Activation::Swiglu,
        tied: false,
        qk_norm: true,
        sliding_window: vec![8, 0],
        logit_softcap: Some(15.0),
        init_std: 0.1,
        ..preset("stories260k")?
    };
    let gpt2 = TransformerConfig {
        vocab_size: 97,
        context_length: TIME,
        layers: 2,
        width: 64,
        heads: 4,
        dropout: 0.1,
        init_std: 0.1,
        ..preset("gpt2")?
    };
    Ok([("llama", llama), ("gpt2", gpt2)])
}

fn certify_model(name: &'static str, config: &TransformerConfig, device: &Device) -> Result<Certificate, TrainError> {
    let (cpu, other) = (train(config, &Device::flex())?, train(config, device)?);
    let gradients = cpu.gradients.into_iter().zip(other.gradients);
    let gradients = gradients.map(|((name, cpu), (_, other))| (name, relative_difference(&cpu, &other))).collect();
    let losses = cpu.losses.into_iter().zip(other.losses).map(|(cpu, other)| [cpu, other]).collect();
    Ok(Certificate { model: name, losses, gradients })
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

/// What ten steps gave on one device.
struct Trained {
    losses: Vec<f64>,
    /// Of the first step, by the parameter's name.
    gradients: Vec<(String, TensorData)>,
}

fn train(config: &TransformerConfig, device: &Device) -> Result<Trained, TrainError> {
    let options = StepOptions {
        optimizer: OptimizerConfig::default(),
        schedule: Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() },
        total_steps: STEPS,
        seed: 5,
    };
    let mut walk = Walk::new(config, TIME, device);
    walk.loss.z_loss = 1e-3;
    let mut trainer = Trainer::new(config.init(1, &device.clone().autodiff())?, walk, options);
    let (_, sink) = trainer.gradients(0, &batches(config.vocab_size, 0));
    let gradients = sink.named(trainer.model());
    let losses = (0..STEPS)
        .map(|step| trainer.step(step, &batches(config.vocab_size, step), &Ceiling::FINITE).loss.into_data())
        .map(|loss| loss.iter::<f32>().next().map_or(f64::NAN, f64::from))
        .collect();
    Ok(Trained { losses, gradients })
}

/// Two micro-batches for a step, of text with some structure and with some targets that do not count.
fn batches(vocabulary: usize, step: u64) -> Vec<Batch> {
    let token = |row: usize, at: usize| ((row * 31 + at * at * 7 + at * step as usize * 3) % vocabulary) as i32;
    let batch = |first: usize| {
        let positions = || (first..first + ROWS).flat_map(|row| (0..TIME).map(move |at| (row, at)));
        Batch {
            inputs: positions().map(|(row, at)| token(row, at)).collect(),
            targets: positions()
                .map(|(row, at)| if (row + at).is_multiple_of(5) { IGNORED } else { token(row, at + 1) })
                .collect(),
            rows: ROWS,
            time: TIME,
            packing: None,
        }
    };
    vec![batch(0), batch(ROWS)]
}

/// The largest difference over the largest reference value.
fn relative_difference(reference: &TensorData, other: &TensorData) -> f64 {
    let differences = reference.iter::<f32>().zip(other.iter::<f32>()).map(|(a, b)| f64::from((a - b).abs()));
    // A gradient that is zero by construction (a key's bias) is compared with what the others are made of.
    let scale = largest(reference.iter::<f32>().map(|value| f64::from(value.abs()))).max(1e-3);
    largest(differences) / scale
}

/// The largest value, or NaN if one of them is NaN.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |largest, value| if value.is_nan() || value > largest { value } else { largest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(losses: Vec<[f64; 2]>, gradient: f64) -> Certificate {
        Certificate { model: "test", losses, gradients: vec![("a".into(), 0.0), ("b".into(), gradient)] }
    }

    #[test]
    fn a_wrong_loss_or_gradient_fails() {
        assert!(certificate(vec![[4.0, 4.00001]], 1e-5).passed());
        assert!(!certificate(vec![[4.0, 4.0001]], 1e-5).passed());
        assert!(!certificate(vec![[4.0, f64::NAN], [4.0, 4.0]], 1e-5).passed());
        assert!(!certificate(vec![[4.0, 4.0]], 2e-4).passed());
        assert!(!certificate(vec![[4.0, 4.0]], f64::NAN).passed());
        assert_eq!(certificate(vec![], 0.5).worst_gradient(), ("b", 0.5));
    }

    #[test]
    fn a_faulty_kernel_is_named() {
        for faulty in Kernel::ALL {
            assert_eq!(faulty_kernels(|off| off.contains(&faulty)), [faulty]);
        }
        assert_eq!(faulty_kernels(|_| false), []);
        assert_eq!(faulty_kernels(|off| off.len() > 1), Kernel::ALL);
    }

    #[test]
    fn one_flipped_value_is_seen() {
        let reference = TensorData::from([0.5f32, -2.0, 0.0]);
        let other = TensorData::from([0.5f32, -2.0, 0.01]);
        assert!((relative_difference(&reference, &other) - 0.005).abs() < 1e-9);
    }
}
