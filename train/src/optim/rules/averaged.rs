//! A moving average of what a rule makes.

use std::sync::Arc;

use burn::tensor::Tensor;
use hearth_model::KernelSet;

use crate::optim::{ParameterUpdate, Rule, StateShape, rule::chosen};

/// Another rule, and besides an exponential moving average of the values that it comes to, which the model is measured and used with
/// (Polyak and Juditsky 1992; of networks Izmailov et al. 2018, arXiv 1803.05407, and Karras et al. 2024, arXiv 2312.02696).
///
/// In update `t` (from 1) the average keeps `min(decay, (1 + t) / (10 + t))` of itself, as torch-ema and TensorFlow have it: it forgets
/// the first weights soon, and needs no other correction.
///
/// What is kept is the average less the values. Its zero is the right beginning, whenever that is, and small changes are not lost in
/// large values: `average += (1 - decay) * (value - average)` rounds to nothing where `1 - decay` is small.
#[derive(Clone, Debug)]
pub struct Averaged {
    /// How values are updated.
    pub rule: Arc<dyn Rule>,
    /// The most of itself that the average keeps in an update, from 0 to 1.
    pub decay: f64,
}

impl Averaged {
    /// The name of the average less the values.
    pub const OFFSET: &str = "average_offset";

    /// What the average keeps of itself in update `number`.
    fn kept(&self, number: u64) -> f64 {
        let number = number as f64;
        self.decay.min((1.0 + number) / (10.0 + number))
    }
}

impl Rule for Averaged {
    /// What the other rule keeps, then the average less the values.
    fn state(&self, shape: &[usize]) -> Vec<StateShape> {
        let mut state = self.rule.state(shape);
        state.push(StateShape::like(Self::OFFSET, shape));
        state
    }

    fn is_elementwise(&self) -> bool {
        self.rule.is_elementwise()
    }

    /// Beside what the other rule makes, the old average; then the new offset, and which of both is kept.
    fn scratch(&self, shape: &[usize], kernels: KernelSet) -> u64 {
        let elements = shape.iter().map(|size| *size as u64).product::<u64>();
        elements + self.rule.scratch(shape, kernels).max(2 * elements)
    }

    fn flops(&self, shape: &[usize]) -> f64 {
        self.rule.flops(shape)
    }

    fn update(&self, mut it: ParameterUpdate<'_>) -> (Tensor<1>, Vec<Tensor<1>>) {
        let offset = it.state.pop().expect("an average is kept of it");
        let (kept, scalars) = (self.kept(it.number), it.scalars.clone());
        // Not of clones that are still there at the update: a rule works in place where nothing else holds the values.
        let average = it.value.clone() + offset.clone();
        let (value, mut state) = self.rule.update(it);
        let new = (average - value.clone()).mul_scalar(kept);
        state.push(chosen(&scalars, offset, new));
        (value, state)
    }

    fn evaluated(&self, value: Tensor<1>, state: &[Tensor<1>]) -> Option<Tensor<1>> {
        state.last().map(|offset| value + offset.clone())
    }
}
