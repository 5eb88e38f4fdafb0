//! What the device decides an update by.

use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

/// The largest figures with which a step's update is made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Largest mean loss, nats.
    pub loss: f32,
    /// Largest global norm of the gradient.
    pub grad_norm: f32,
}

impl Ceiling {
    /// The ceiling over everything finite. Not f32's largest number: a driver that rules out infinities may take every
    /// number to be below.
    pub const FINITE: Self = Self { loss: 1e30, grad_norm: 1e30 };

    /// Whether an update with these figures, `[1]` each, is wanted, `[1]`; on the device.
    pub fn admits(&self, loss: &Tensor<1>, grad_norm: &Tensor<1>) -> Tensor<1, Bool> {
        // NaN is not below anything.
        let loss = loss.clone().lower_equal_scalar(self.loss);
        loss.bool_and(grad_norm.clone().lower_equal_scalar(self.grad_norm))
    }
}
