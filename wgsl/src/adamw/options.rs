//! What an update is besides its tensors.

/// The numbers of one update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWNumbers {
    /// The learning rate of this update.
    pub learning_rate: f64,
    /// Share of the first moment that an update keeps.
    pub beta1: f64,
    /// Share of the second moment that an update keeps.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// The update subtracts this times the learning rate times the parameter.
    pub weight_decay: f64,
    /// `1 - beta^t` for both moments, `t` counting updates from 1.
    pub corrections: [f64; 2],
}
