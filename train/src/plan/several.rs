//! The plans of several devices: replicas with a share of the batch each, or stages of a model.

use std::ops::Range;

use hearth_model::CrossEntropy;

use super::{
    Choice, Cut, DeviceLimits, Extent, Plan, Planner, Rates, Subject,
    choose::{budget, choose_as, mib},
};
use crate::{TrainConfig, TrainError, walk::Policy};

/// The plan of one of `world` replicas, which has these rows of each global batch.
///
/// # Errors
/// Those of [`choose`](super::choose).
pub fn replica_plan(
    config: &TrainConfig,
    rows: &Range<usize>,
    world: usize,
    limits: &DeviceLimits,
    rates: &Rates,
) -> Result<Choice, TrainError> {
    let extent = Extent::replica(world, config.parallel.shard_optimizer);
    choose_as(&with_rows(config, rows), limits, rates, &extent)
}

/// The plan of rank `rank` of `world`, whose stage has these blocks of the model and these rows of each global batch: the
/// micro-batches that are set, for all stages must have the same, and the first policy that fits.
///
/// # Errors
/// [`TrainError::Config`]: no policy fits.
pub fn stage_plan(
    config: &TrainConfig,
    (rank, world): (usize, usize),
    blocks: &Range<usize>,
    rows: &Range<usize>,
    limits: &DeviceLimits,
    rates: &Rates,
) -> Result<Choice, TrainError> {
    let refuse = |reason: String| TrainError::Config { source_name: "memory".into(), reason };
    let part = with_rows(config, rows);
    let (micro_batch, accumulation) = (part.batch.micro_batch, part.batch.accumulation);
    let stages = config.parallel.stages;
    let pipelines = world / stages;
    let shards = if config.parallel.shard_optimizer { pipelines } else { 1 };
    let extent = Extent { shards, ..Extent::stage(rank % stages, stages, pipelines, accumulation) };
    let planner = Planner::new(Subject::of(config).with(blocks.clone(), extent), limits, rates);
    let logits_chunk = CrossEntropy::of(&config.model).chunk.min(micro_batch * config.model.context_length);
    let set = config.memory.policy(config.model.layers).map_err(refuse)?;
    let policies = set.map_or_else(|| Policy::on_device(blocks.len()), |policy| vec![policy.part(blocks)]);
    let plan = |policy| planner.plan(Cut { micro_batch, accumulation, logits_chunk, policy });
    let frontier: Vec<Plan> = policies.into_iter().rev().map(plan).collect();
    let budget = budget(config, limits);
    let fits = |plan: &&Plan| budget.is_none_or(|budget| plan.peak_bytes() <= budget);
    let Some(plan) = frontier.iter().rev().find(fits).cloned() else {
        return Err(refuse(format!(
            "stage {} of {stages} (blocks {} to {}) takes {} at least: lower batch.micro_batch, name more devices with more \
             parallel.stages, or raise memory.budget_mib",
            rank % stages + 1,
            blocks.start,
            blocks.end - 1,
            mib(frontier.iter().map(Plan::peak_bytes).min().unwrap_or(0))
        )));
    };
    Ok(Choice { plan, frontier, budget })
}

/// The configuration of a device that has these rows of each global batch.
fn with_rows(config: &TrainConfig, rows: &Range<usize>) -> TrainConfig {
    let mut part = config.clone();
    part.batch.micro_batch = config.batch.micro_batch.min(rows.len());
    part.batch.accumulation = rows.len().div_ceil(part.batch.micro_batch);
    part
}
