//! From a configuration and a device to the plan of a run.

use super::{Cut, DeviceLimits, Extent, Plan, Planner, Rates, Subject};
use crate::{TrainConfig, TrainError, walk::Policy};

/// The plan of a run, and the plans that it was chosen among.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Choice {
    /// The plan that was chosen.
    pub plan: Plan,
    /// The plans that nothing beats in both memory and time, from the smallest to the fastest.
    pub frontier: Vec<Plan>,
    /// Bytes that a step may take, where they are known.
    pub budget: Option<u64>,
}

/// Share of the memory of a plan that a device refused which the next plan may take at most.
const SMALLER: f64 = 0.85;

impl Choice {
    /// The next smaller plan, for when a device refuses this one.
    pub fn smaller(&self) -> Option<&Plan> {
        let small_enough = |plan: &&Plan| (plan.peak_bytes() as f64) < SMALLER * self.plan.peak_bytes() as f64;
        self.frontier.iter().rev().find(small_enough)
    }

    /// The next faster plan, which takes more memory.
    pub fn faster(&self) -> Option<&Plan> {
        self.frontier.iter().find(|plan| plan.seconds < self.plan.seconds && plan.peak_bytes() > self.plan.peak_bytes())
    }
}

/// The fastest plan within the budget; or, where the configuration sets a policy, that one.
///
/// # Errors
/// A budget too small for any plan, which names the smallest that would do; tensors that the device cannot bind.
pub fn choose(config: &TrainConfig, limits: &DeviceLimits, rates: &Rates) -> Result<Choice, TrainError> {
    choose_as(config, limits, rates, &Extent::WHOLE)
}

/// Bytes that a step may take, where they are known.
pub(super) fn budget(config: &TrainConfig, limits: &DeviceLimits) -> Option<u64> {
    match config.memory.budget_mib {
        0 => limits.memory,
        mib => Some(mib.saturating_mul(1 << 20)),
    }
}

/// As [`choose`], on a device that has `extent` of the model.
pub(super) fn choose_as(
    config: &TrainConfig,
    limits: &DeviceLimits,
    rates: &Rates,
    extent: &Extent,
) -> Result<Choice, TrainError> {
    let planner = Planner::new(Subject { extent: *extent, ..Subject::of(config) }, limits, rates);
    let (rows, accumulation) = (config.batch.micro_batch, config.batch.accumulation);
    let refuse = |reason: String| TrainError::Config { source_name: "memory".into(), reason };
    let budget = budget(config, limits);
    let frontier = planner.plans(rows, accumulation);
    let fits = |plan: &Plan| budget.is_none_or(|budget| plan.peak_bytes() <= budget);
    let plan = match config.memory.policy(config.model.layers).map_err(refuse)? {
        None => {
            // Where no plan is short enough for a watchdog the smallest that fits comes nearest.
            let fitting: Vec<&Plan> = frontier.iter().filter(|plan| fits(plan)).collect();
            let short_enough = |plan: &&&Plan| planner.satisfies_watchdog(&plan.cut);
            let fastest = fitting.iter().rev().find(short_enough).or(fitting.first());
            fastest
                .map(|plan| Plan::clone(plan))
                .ok_or_else(|| refuse(nothing_fits(config, &planner, budget, frontier.first())))?
        }
        Some(policy) => {
            let set = planner.plan(set_cut(config, policy));
            let (name, bytes) = planner.largest_tensor(&set.cut);
            if let Some(most) = limits.tensor.filter(|most| bytes > *most) {
                return Err(refuse(format!(
                    "{name} would take {}, and this device binds at most {}: lower batch.micro_batch = {rows}, or give \
                     memory.policy = \"auto\"",
                    mib(bytes),
                    mib(most)
                )));
            }
            if !fits(&set) {
                return Err(refuse(set_policy_does_not_fit(&set, budget, frontier.first())));
            }
            set
        }
    };
    Ok(Choice { plan, frontier, budget })
}

/// Why no plan will do, and what would.
fn nothing_fits(config: &TrainConfig, planner: &Planner<'_>, budget: Option<u64>, smallest: Option<&Plan>) -> String {
    let limits = planner.limits;
    let Some(smallest) = smallest else {
        let one = Cut { micro_batch: 1, logits_chunk: 1, ..set_cut(config, Policy::keep(config.model.layers)) };
        let (name, bytes) = planner.largest_tensor(&one);
        return format!(
            "{name} of one sequence would take {}, and this device binds at most {}: make the model or \
             model.context_length smaller",
            mib(bytes),
            limits.tensor.map_or("less".into(), mib)
        );
    };
    let advice = match limits.memory {
        Some(memory) if memory < smallest.peak_bytes() => String::new(),
        _ => format!("give memory.budget_mib = {} or more, or ", smallest.peak_bytes().div_ceil(1 << 20)),
    };
    format!(
        "no plan fits in {}: the smallest takes {} ({}); {advice}make the model or model.context_length smaller",
        budget.map_or("the device".into(), mib),
        mib(smallest.peak_bytes()),
        smallest.cut,
    )
}

/// Why the policy that is set will not do, and what would.
fn set_policy_does_not_fit(set: &Plan, budget: Option<u64>, smallest: Option<&Plan>) -> String {
    let down_to = smallest.map_or(String::new(), |smallest| format!(", down to {}", mib(smallest.peak_bytes())));
    format!(
        "the policy that is set takes {} of {}: memory.policy = \"auto\" finds what fits{down_to}; or raise \
         memory.budget_mib",
        mib(set.peak_bytes()),
        budget.map_or("the device".into(), mib),
    )
}

/// The cut that the configuration sets, with `policy`.
fn set_cut(config: &TrainConfig, policy: Policy) -> Cut {
    let logits_chunk = hearth_model::CrossEntropy::of(&config.model).chunk;
    let positions = config.batch.micro_batch * config.model.context_length;
    Cut {
        micro_batch: config.batch.micro_batch,
        accumulation: config.batch.accumulation,
        logits_chunk: logits_chunk.min(positions),
        policy,
    }
}

/// Bytes as text, in MiB and rounded up.
pub fn mib(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1 << 20))
}
