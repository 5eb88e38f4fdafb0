//! Optimizers, learning-rate schedules and clipping by the global norm.
//!
//! How a parameter is updated is a [`Rule`]: what it keeps of the parameter, and how it changes it. The [`Optimizer`] has a
//! rule and a rate for each parameter and keeps their state; checkpoints, sharding, transfers and the planner ask the rule.
//! A new one is a file in `rules/` and a line in [`RuleKind`].

mod clip;
mod config;
mod freeze;
mod optimizer;
mod rule;
mod rules;
mod schedule;
mod shard;
#[cfg(test)]
mod tests;

pub use clip::clip_factor;
pub use config::{OptimizerConfig, ParameterGroup, RuleKind};
#[cfg(not(target_family = "wasm"))]
pub(crate) use optimizer::Step;
pub use optimizer::{Optimizer, Update};
pub use rule::{ParameterUpdate, Rule, Setting, StateShape};
pub use rules::{AdamW, Averaged, Balance, Lion, Muon, MuonScale, orthogonalized};
pub use schedule::{Schedule, ScheduleKind};
pub use shard::OptimizerShard;
#[cfg(not(target_family = "wasm"))]
pub(crate) use shard::Part;
