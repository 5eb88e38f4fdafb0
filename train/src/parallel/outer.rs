//! Low-communication training for slow links: each rank trains alone for many steps, and then the change that each has come
//! to is averaged and taken as a gradient for one step of SGD with Nesterov momentum.
//!
//! DiLoCo: Douillard et al. 2023, arXiv 2311.08105, algorithm 1; outer learning rate 0.7 and momentum 0.9 are its own.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use hearth_model::Transformer;

use super::{CollectiveError, Exchange, sharded::with_values};
use crate::{TrainError, config::ParallelConfig, readback::Readback, step::Trainer};

/// Changes that share a scale where they are quantised.
const BLOCK: usize = 256;

/// The outer optimizer: the same state on every rank, in host memory, 8 bytes a parameter.
#[derive(Debug)]
pub(crate) struct Outer {
    settings: ParallelConfig,
    /// After the last exchange, parameter by parameter, end to end.
    parameters: Vec<f32>,
    momentum: Vec<f32>,
}

impl Outer {
    /// Begins with the parameters of `model`, which all ranks have, and the momentum of an earlier run, if there is one.
    pub fn new(
        model: &Transformer,
        settings: ParallelConfig,
        momentum: Option<Vec<f32>>,
    ) -> Result<Self, CollectiveError> {
        let parameters = flat(model)?;
        let momentum = momentum.unwrap_or_else(|| vec![0.0; parameters.len()]);
        Ok(Self { settings, parameters, momentum })
    }

    pub fn momentum(&self) -> &[f32] {
        &self.momentum
    }

    /// Averages what all ranks have come to; each then has the same parameters.
    pub fn step(&mut self, trainer: &mut Trainer, exchange: &mut Exchange) -> Result<(), CollectiveError> {
        let local = flat(trainer.model())?;
        let mut change: Vec<f32> = self.parameters.iter().zip(local).map(|(before, now)| before - now).collect();
        let world = exchange.world() as f32;
        if self.settings.quantize {
            let all = exchange.collect(quantized(&change))?;
            change.fill(0.0);
            for (rank, bytes) in all.iter().enumerate() {
                add_quantized(&mut change, bytes).ok_or(CollectiveError::Mismatch {
                    rank,
                    expected: quantized_bytes(change.len()),
                    other: exchange.rank(),
                    found: bytes.len(),
                })?;
            }
        } else {
            exchange.jobs().reduce_host(change);
            change = exchange.receive()?;
        }
        change.iter_mut().for_each(|sum| *sum /= world);
        let ParallelConfig { outer_learning_rate, outer_momentum, .. } = self.settings;
        nesterov(&mut self.parameters, &mut self.momentum, &change, outer_learning_rate as f32, outer_momentum as f32);
        let device = trainer.walk().device.clone();
        let rest = self.parameters.as_slice();
        trainer.replace(|model, _| model.map(&mut Set { rest, device }));
        Ok(())
    }
}

/// SGD with Nesterov momentum, as `torch.optim.SGD(nesterov=True)` does it.
fn nesterov(parameters: &mut [f32], velocities: &mut [f32], gradients: &[f32], rate: f32, momentum: f32) {
    for ((parameter, velocity), gradient) in parameters.iter_mut().zip(velocities).zip(gradients) {
        *velocity = momentum * *velocity + gradient;
        *parameter -= rate * (gradient + momentum * *velocity);
    }
}

/// Every parameter, end to end.
fn flat(model: &Transformer) -> Result<Vec<f32>, CollectiveError> {
    let mut copies = Copies(Vec::new());
    model.visit(&mut copies);
    let mut values = Vec::new();
    for copy in copies.0 {
        let data = copy.wait().map_err(|error| CollectiveError::Device(TrainError::of_device(error).to_string()))?;
        values.extend(data.iter::<f32>());
    }
    Ok(values)
}

struct Copies(Vec<Readback>);

impl ModuleVisitor for Copies {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.push(Readback::new(param.val().without_autodiff()));
    }
}

struct Set<'a> {
    rest: &'a [f32],
    device: Device,
}

impl ModuleMapper for Set<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (own, rest) = self.rest.split_at(param.shape().num_elements());
        self.rest = rest;
        with_values(param, own.to_vec(), &self.device)
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
