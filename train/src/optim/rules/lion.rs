//! Lion.

use burn::tensor::Tensor;
use hearth_model::KernelSet;

use crate::optim::{ParameterUpdate, Rule, StateShape};

/// Lion (Chen et al. 2023, arXiv 2302.06675, program 1): every element moves by the learning rate, whatever its gradient's size.
/// It keeps half of what AdamW keeps, and wants a third of its learning rate or less.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// Share of the momentum in the direction of an update.
    pub beta1: f64,
    /// Decay of the momentum, per step.
    pub beta2: f64,
}

impl Rule for Lion {
    /// The mean of the gradients.
    fn state(&self, shape: &[usize]) -> Vec<StateShape> {
        vec![StateShape::like("momentum", shape)]
    }

    fn is_elementwise(&self) -> bool {
        true
    }

    /// The clipped gradient, the direction, new momentum and values.
    fn scratch(&self, shape: &[usize], _kernels: KernelSet) -> u64 {
        4 * shape.iter().map(|size| *size as u64).product::<u64>()
    }

    fn update(&self, it: ParameterUpdate<'_>) -> (Tensor<1>, Vec<Tensor<1>>) {
        let gradient = it.clipped();
        let mixed = |beta: f64| it.state[0].clone().mul_scalar(beta) + gradient.clone().mul_scalar(1.0 - beta);
        let kept = it.value.clone().mul_scalar(1.0 - it.learning_rate * it.weight_decay);
        let value = kept - mixed(self.beta1).sign().mul_scalar(it.learning_rate);
        (it.chosen(it.value.clone(), value), vec![it.chosen(it.state[0].clone(), mixed(self.beta2))])
    }
}
