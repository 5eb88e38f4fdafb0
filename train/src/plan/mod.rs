//! Before the run: what a step takes in memory and in time, and the policy that fits a budget.
//!
//! The planner takes the same walk as the step, with sizes in place of tensors ([`Ledger`]), over all the ways to cut the
//! work, and keeps those that nothing beats in both memory and time.

mod choose;
mod cost;
mod cut;
mod experts;
mod extent;
mod ledger;
mod limits;
mod placement;
mod planner;
mod rates;
mod search;
mod several;
mod size;
mod step_sizes;
mod subject;
mod table;
#[cfg(test)]
mod tests;
mod usage;
mod weights;

pub use choose::{Choice, choose, mib};
pub use cut::Cut;
pub use experts::experts_plan;
pub use extent::Extent;
pub use hearth_model::KernelSet;
pub use ledger::Ledger;
pub use limits::DeviceLimits;
pub use placement::stage_blocks;
pub use planner::Planner;
pub use rates::Rates;
pub use search::Plan;
pub use several::{replica_plan, stage_plan};
pub use subject::Subject;
pub use table::Table;
pub use usage::{Phase, PhaseUsage, Usage};
