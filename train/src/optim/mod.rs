//! AdamW with parameter groups, learning-rate schedules and clipping by the global norm.

mod adamw;
mod clip;
mod schedule;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(not(target_family = "wasm"))]
pub(crate) use adamw::Step;
pub use adamw::{AdamW, OptimizerShard, Update};
pub use clip::clip_factor;
pub use schedule::{Schedule, ScheduleKind};

/// The settings of AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101). The defaults are Hearth's own; none of Burn's
/// applies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The largest learning rate, reached after warm-up. Default 1e-3.
    pub learning_rate: f64,
    /// Decay of the first moment, per step. Default 0.9.
    pub beta1: f64,
    /// Decay of the second moment, per step. Default 0.95.
    pub beta2: f64,
    /// Number added to the root of the second moment. Default 1e-8.
    pub eps: f64,
    /// Decoupled weight decay of matrices, in units of the learning rate; norms and biases never decay. Default 0.1.
    pub weight_decay: f64,
    /// Largest global L2 norm of the gradient; larger ones are scaled down to it. 0 turns clipping off. Default 1.
    pub clip_norm: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1, clip_norm: 1.0 }
    }
}
