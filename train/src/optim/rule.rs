//! What an optimizer does to one parameter.

use std::{fmt, sync::Arc};

use burn::tensor::{Bool, Tensor};
use hearth_model::KernelSet;

/// How a parameter is updated by its gradient, and what is kept of it from one update to the next.
///
/// Values, gradients and state are flat, `[n]` in the order of the parameter's elements, wherever the parameter lives. A rule
/// must be a pure function of what it is given: then a run goes on to the same bits, and replicas stay equal.
pub trait Rule: fmt::Debug + Send + Sync {
    /// The tensors that are kept of a parameter of this shape; all zeros before its first update.
    fn state(&self, shape: &[usize]) -> Vec<StateShape>;

    /// Whether each element is updated by itself, whatever the shape: then a parameter and its state may be cut anywhere, and
    /// each of several ranks updates a piece ([ZeRO stage 1](crate::optim::OptimizerShard)). Of another rule's parameters each rank updates
    /// some, whole.
    fn is_elementwise(&self) -> bool;

    /// Elements of what an update of a parameter of this shape makes at its peak, beside values, gradient and state, with these
    /// kernels.
    fn scratch(&self, shape: &[usize], kernels: KernelSet) -> u64;

    /// Floating-point operations of the matrix products of an update.
    fn flops(&self, _shape: &[usize]) -> f64 {
        0.0
    }

    /// The new values, and the new state in the order of [`Rule::state`].
    ///
    /// Where the update is not wanted, which the device alone knows, all must come back as they were, whatever the gradient
    /// holds: [`ParameterUpdate::chosen`] does that.
    fn update(&self, it: ParameterUpdate<'_>) -> (Tensor<1>, Vec<Tensor<1>>);

    /// The values `[n]` that a model is measured and used with, where they are others than those that are trained: an average, say.
    /// `None` where they are the same.
    fn evaluated(&self, _value: Tensor<1>, _state: &[Tensor<1>]) -> Option<Tensor<1>> {
        None
    }
}

/// How one parameter is updated.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What an update is, and what is kept.
    pub rule: Arc<dyn Rule>,
    /// Its learning rate in units of the optimizer's.
    pub learning_rate_factor: f64,
    /// Its decoupled weight decay, in units of its learning rate.
    pub weight_decay: f64,
}

/// A tensor that a rule keeps of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateShape {
    /// Its name, by which a checkpoint has it: `momentum` of `blocks.0.mlp.up.weight` is `momentum.blocks.0.mlp.up.weight`.
    pub name: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
}

impl StateShape {
    /// A tensor of the parameter's own shape.
    pub fn like(name: &'static str, shape: &[usize]) -> Self {
        Self { name, shape: shape.into() }
    }

    /// Number of its elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// A parameter, or a piece of one, at its update. All tensors are on one device, without autodiff.
#[derive(Debug)]
pub struct ParameterUpdate<'a> {
    /// Shape of the parameter; of a piece, its length.
    pub shape: &'a [usize],
    /// Values `[n]`.
    pub value: Tensor<1>,
    /// Gradient of the mean loss, `[n]`, before clipping.
    pub gradient: Tensor<1>,
    /// What [`Rule::state`] says, each flat.
    pub state: Vec<Tensor<1>>,
    /// Learning rate of this parameter in this update.
    pub learning_rate: f64,
    /// Decoupled weight decay, in units of the learning rate.
    pub weight_decay: f64,
    /// Number of the update, from 1; those that were left out count.
    pub number: u64,
    /// What the gradient is multiplied by, and whether the update is wanted (1) or not (0), `[2]`.
    pub scalars: Tensor<1>,
}

impl ParameterUpdate<'_> {
    /// The gradient after clipping, `[n]`.
    pub fn clipped(&self) -> Tensor<1> {
        self.gradient.clone() * self.scalars.clone().narrow(0, 0, 1)
    }

    /// `new` where the update is wanted, else `old`, to the bit.
    pub fn chosen(&self, old: Tensor<1>, new: Tensor<1>) -> Tensor<1> {
        chosen(&self.scalars, old, new)
    }
}

/// As [`ParameterUpdate::chosen`], by its `scalars`.
pub(super) fn chosen(scalars: &Tensor<1>, old: Tensor<1>, new: Tensor<1>) -> Tensor<1> {
    // A comparison with what is no number is false.
    let wanted: Tensor<1, Bool> = scalars.clone().narrow(0, 1, 1).greater_equal_elem(0.5);
    let count = old.dims();
    old.mask_where(wanted.expand(count), new)
}
