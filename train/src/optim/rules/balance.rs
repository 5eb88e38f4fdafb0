//! The bias by which a router keeps its experts busy.

use burn::tensor::Tensor;
use hearth_model::KernelSet;

use crate::optim::{ParameterUpdate, Rule, StateShape};

/// Moves against the sign of the gradient, which of a router's bias is each expert's load above the mean (DeepSeek-V3, arXiv
/// 2412.19437, section 2.1.2). Neither the schedule nor clipping has a part in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Balance {
    /// What an update changes the bias by.
    pub rate: f64,
}

impl Rule for Balance {
    /// Nothing.
    fn state(&self, _shape: &[usize]) -> Vec<StateShape> {
        Vec::new()
    }

    fn is_elementwise(&self) -> bool {
        true
    }

    fn scratch(&self, shape: &[usize], _kernels: KernelSet) -> u64 {
        2 * shape.iter().map(|size| *size as u64).product::<u64>()
    }

    fn update(&self, it: ParameterUpdate<'_>) -> (Tensor<1>, Vec<Tensor<1>>) {
        let value = it.value.clone() - it.gradient.clone().sign().mul_scalar(self.rate);
        (it.chosen(it.value.clone(), value), Vec::new())
    }
}
