//! AdamW.

use burn::tensor::Tensor;
use hearth_model::KernelSet;
use hearth_wgsl::{AdamWNumbers, Kernel, adamw};

use crate::optim::{ParameterUpdate, Rule, StateShape};

/// AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Decay of the first moment, per step.
    pub beta1: f64,
    /// Decay of the second moment, per step.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
}

impl Rule for AdamW {
    /// The mean and the uncentred variance of the gradients.
    fn state(&self, shape: &[usize]) -> Vec<StateShape> {
        ["first", "second"].map(|name| StateShape::like(name, shape)).into()
    }

    fn is_elementwise(&self) -> bool {
        true
    }

    /// The kernel works in place; without it there are new moments and values before the old ones go.
    fn scratch(&self, shape: &[usize], kernels: KernelSet) -> u64 {
        if kernels.runs(Kernel::AdamW) { 0 } else { 3 * shape.iter().map(|size| *size as u64).product::<u64>() }
    }

    fn update(&self, it: ParameterUpdate<'_>) -> (Tensor<1>, Vec<Tensor<1>>) {
        let ParameterUpdate { value, gradient, state, learning_rate, weight_decay, number, scalars, .. } = it;
        let Self { beta1, beta2, eps } = *self;
        let t = i32::try_from(number).unwrap_or(i32::MAX);
        let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powi(t));
        let numbers = AdamWNumbers { learning_rate, beta1, beta2, eps, weight_decay, corrections };
        let (value, moments) = adamw(value, state.try_into().ok(), gradient, scalars, numbers);
        (value, moments.into())
    }
}
