//! Low-communication training for slow links: each rank trains alone for many steps, and then the change that each has come
//! to is averaged and taken as a gradient for one step of SGD with Nesterov momentum.
//!
//! DiLoCo: Douillard et al. 2023, arXiv 2311.08105, algorithm 1; outer learning rate 0.7 and momentum 0.9 are its own.

use hearth_model::{Transformer, TransformerBlock};

use super::{
    CollectiveError, Exchange,
    host::{self, ParameterState},
};
use crate::{config::ParallelConfig, step::Trainer};

/// Changes that share a scale where they are quantised.
const BLOCK: usize = 256;

/// The outer optimizer: the same state on every rank, in host memory, 8 bytes a parameter.
#[derive(Debug)]
pub(super) struct Outer {
    settings: ParallelConfig,
    /// Steps of the whole run: after the last one there is an average.
    total_steps: u64,
    /// Parameters after the last average, end to end.
    parameters: Vec<f32>,
    momentum: Vec<f32>,
    /// Targets that this rank has trained on since the last average.
    counted: usize,
}

impl Outer {
    /// Begins with the parameters of `model`, which all ranks have, copied from the device of rank `rank`, and the momentum of
    /// an earlier run, if there is one.
    pub fn new<B: TransformerBlock>(
        model: &Transformer<B>,
        rank: usize,
        settings: ParallelConfig,
        total_steps: u64,
        momentum: Option<Vec<f32>>,
    ) -> Result<Self, CollectiveError> {
        let parameters = host::flat(model, rank)?;
        let momentum = momentum.unwrap_or_else(|| vec![0.0; parameters.len()]);
        Ok(Self { settings, total_steps, parameters, momentum, counted: 0 })
    }

    /// Momentum of each parameter, end to end.
    pub fn momentum(&self) -> &[f32] {
        &self.momentum
    }

    /// Steps from `step` on until an average.
    pub fn steps_until_average(&self, step: u64) -> u64 {
        let local_steps = self.settings.local_steps;
        (local_steps - step % local_steps).min(self.total_steps.saturating_sub(step).max(1))
    }

    /// Takes note of a step on so many targets, after which all ranks average if it is time.
    pub fn stepped<B: TransformerBlock>(
        &mut self,
        step: u64,
        counted: usize,
        trainer: &mut Trainer<B>,
        line: &mut Exchange,
    ) -> Result<(), CollectiveError> {
        self.counted += counted;
        if self.steps_until_average(step) == 1 { self.average(trainer, line) } else { Ok(()) }
    }

    /// Averages what all ranks have come to, each weighted by the targets that it has trained on; all then have the same
    /// parameters.
    fn average<B: TransformerBlock>(
        &mut self,
        trainer: &mut Trainer<B>,
        line: &mut Exchange,
    ) -> Result<(), CollectiveError> {
        let local = host::flat(trainer.model(), line.rank())?;
        let own = std::mem::take(&mut self.counted);
        let all = line.sum(own)?;
        let world = line.world() as f32;
        // Exactly 1 where all have trained on as many.
        let weight = if all == 0 { 1.0 } else { (own as f64 * f64::from(world) / all as f64) as f32 };
        let before = self.parameters.iter();
        let changes: Vec<f32> = before.zip(local).map(|(before, now)| weight * (before - now)).collect();
        let mut change = self.sum(changes, line)?;
        change.iter_mut().for_each(|sum| *sum /= world);
        let ParallelConfig { outer_learning_rate, outer_momentum, .. } = self.settings;
        nesterov(&mut self.parameters, &mut self.momentum, &change, outer_learning_rate as f32, outer_momentum as f32);
        let mut rest = self.parameters.as_slice();
        host::load(trainer, |_, count, _| {
            let (own, others) = rest.split_at(count);
            rest = others;
            Ok(Some(ParameterState { values: Some(own.to_vec()), state: None }))
        })
    }

    /// The sum of all ranks' changes.
    fn sum(&self, changes: Vec<f32>, line: &mut Exchange) -> Result<Vec<f32>, CollectiveError> {
        if !self.settings.quantize {
            line.jobs().reduce_host(changes);
            return line.receive();
        }
        let all = line.all_gather(quantized(&changes))?;
        let mut sums = vec![0.0; changes.len()];
        for (rank, bytes) in all.iter().enumerate() {
            add_quantized(&mut sums, bytes).ok_or(CollectiveError::Mismatch {
                rank,
                expected: quantized_bytes(sums.len()),
                other: line.rank(),
                found: bytes.len(),
            })?;
        }
        Ok(sums)
    }
}

/// SGD with Nesterov momentum, as `torch.optim.SGD(nesterov=True)` does it.
fn nesterov(parameters: &mut [f32], velocities: &mut [f32], gradients: &[f32], rate: f32, momentum: f32) {
    for ((parameter, velocity), gradient) in parameters.iter_mut().zip(velocities).zip(gradients) {
        *velocity = momentum * *velocity + gradient;
        *parameter -= rate * (gradient + momentum * *velocity);
    }
}

/// Each block of values as its scale (f32, little-endian), the largest magnitude over 127, and an i8 for each.
fn quantized(values: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(quantized_bytes(values.len()));
    for block in values.chunks(BLOCK) {
        let scale = block.iter().fold(0.0, |most: f32, value| most.max(value.abs())) / 127.0;
        bytes.extend(scale.to_le_bytes());
        let steps = |value: &f32| if scale > 0.0 { (value / scale).round() as i8 } else { 0 };
        bytes.extend(block.iter().map(|value| steps(value) as u8));
    }
    bytes
}

fn quantized_bytes(values: usize) -> usize {
    values + values.div_ceil(BLOCK) * size_of::<f32>()
}

/// Adds what [`quantized`] made; `None` if it is of another number of values.
fn add_quantized(sums: &mut [f32], bytes: &[u8]) -> Option<()> {
    if bytes.len() != quantized_bytes(sums.len()) {
        return None;
    }
    for (sums, bytes) in sums.chunks_mut(BLOCK).zip(bytes.chunks(BLOCK + size_of::<f32>())) {
        let (scale, steps) = bytes.split_first_chunk()?;
        let scale = f32::from_le_bytes(*scale);
        sums.iter_mut().zip(steps).for_each(|(sum, step)| *sum += f32::from(*step as i8) * scale);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against `torch.optim.SGD([1.0, -2.0], lr=0.7, momentum=0.9, nesterov=True)`, worked out in f64 by its documented
    /// formula, for gradients (0.1, -0.3), (0.2, 0.4), (-0.05, 0.1).
    #[test]
    fn equals_pytorchs_nesterov() {
        let (mut parameters, mut velocities) = ([1.0, -2.0], [0.0; 2]);
        for gradients in [[0.1, -0.3], [0.2, 0.4], [-0.05, 0.1]] {
            nesterov(&mut parameters, &mut velocities, &gradients, 0.7, 0.9);
        }
        for (found, expected) in parameters.iter().zip([0.446_37, -2.169_61]) {
            assert!((found - expected).abs() < 1e-5, "{parameters:?}");
        }
    }

    #[test]
    fn eight_bits_are_within_half_a_step_of_the_blocks_scale() {
        let values: Vec<f32> = (0..1000).map(|at| ((at * 7919) % 2003) as f32 / 1e3 - 1.0).collect();
        let bytes = quantized(&values);
        assert_eq!(bytes.len(), 1000 + 4 * 4);
        let mut sums = vec![0.0; 1000];
        add_quantized(&mut sums, &bytes).unwrap();
        for (block, found) in values.chunks(BLOCK).zip(sums.chunks(BLOCK)) {
            let most = block.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            assert!(block.iter().zip(found).all(|(a, b)| (a - b).abs() <= most / 127.0 * 0.501));
        }
        assert!(add_quantized(&mut sums, &bytes[1..]).is_none());
        assert_eq!(quantized(&[0.0; 3]), [0; 7]);
    }
}
