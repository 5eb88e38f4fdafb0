//! Before the run: what a step takes in memory and in time, and the policy that fits a budget.
//!
//! The planner takes the same walk as the step, with sizes in place of tensors ([`Ledger`]), over all the ways to cut the
//! work, and keeps those that nothing beats in both memory and time.

mod choose;
mod cost;
mod extent;
mod ledger;
mod limits;
mod placement;
mod search;
mod several;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;

pub use choose::{Choice, choose, mib};
pub use cost::Rates;
pub use extent::Extent;
pub use ledger::{Ledger, Moment, Place, Usage};
pub use limits::Limits;
pub use placement::stage_blocks;
pub use search::{plan, plans};
use serde::{Deserialize, Serialize};
pub use several::{replica_plan, stage_plan};
pub use table::Table;

use crate::walk::Policy;

/// How a step is cut and what it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cut {
    /// Sequences that are on the device at once.
    pub micro_batch: usize,
    /// Micro-batches of a step.
    pub accumulation: usize,
    /// Positions whose logits exist at once.
    pub logits_chunk: usize,
    /// What is held for the backward pass, and where parameters live.
    pub policy: Policy,
}

/// A cut with what it is predicted to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is done.
    pub cut: Cut,
    /// Device memory at the step's peak.
    pub peak: Moment,
    /// Of one step.
    pub seconds: f64,
}

impl Plan {
    /// Bytes of device memory at the peak.
    pub fn peak_bytes(&self) -> u64 {
        self.peak.usage.total()
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} sequences, {}", self.accumulation, self.micro_batch, self.policy)
    }
}
