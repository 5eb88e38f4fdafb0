//! A run's work is divided among its ranks.

use hearth_data::rows_by_speed;

use super::{
    Members,
    protocol::{Division, Greeting},
    work::Site,
};
use crate::{
    TrainConfig, TrainError,
    plan::{Choice, Cut, DeviceLimits, Plan, Planner, Subject, stage_blocks},
    session::{Assignment, Origin},
};

/// Who does what, and the first rank's plan: as in the run's checkpoint, as far as that is of as many ranks and stages; else
/// by the speed and the memory of the devices.
pub(super) fn divide(
    members: &Members,
    site: &Site,
    ranks: &[Greeting],
    origin: &Origin,
) -> Result<(Assignment, Choice), TrainError> {
    let config = &*members.config;
    let (world, stages) = (ranks.len(), config.parallel.stages);
    grown_for(config, world / stages)?;
    let earlier = origin.kept(config, &members.device.adapter, world, stages);
    let speeds: Vec<f64> = ranks.iter().map(|rank| rank.speed).collect();
    let rows = match earlier.rows_of_ranks() {
        Some(rows) => rows,
        None => {
            let pipelines: Vec<f64> = speeds.chunks(stages).map(|stages| stages.iter().sum()).collect();
            let rows = rows_by_speed(config.batch.micro_batch * config.batch.accumulation, &pipelines)?;
            rows.into_iter().flat_map(|rows| vec![rows; stages]).collect()
        }
    };
    let blocks = match stages {
        1 => Vec::new(),
        _ => {
            let limits: Vec<&DeviceLimits> = ranks.iter().map(|rank| &rank.limits).collect();
            stage_blocks(config, &limits, &speeds, &rows, &earlier.blocks)?
        }
    };
    let division = Division { rows, blocks };
    let mut choice = site.plan(0, &division)?;
    if let Some(cut) = earlier.cut.filter(|_| stages == 1) {
        choice.plan = replan(config, site, cut);
    }
    let cut = choice.plan.cut.clone();
    let assignment = Assignment::new(division.rows, division.blocks, cut).map_err(TrainError::Internal)?;
    Ok((assignment, choice))
}

/// Checks that each of so many replicas or pipelines has a row of the first batch.
fn grown_for(config: &TrainConfig, pipelines: usize) -> Result<(), TrainError> {
    let first = config.batch.sizes().rows(0);
    if config.batch.warmup_steps == 0 || first >= pipelines as u64 {
        return Ok(());
    }
    let source_name = format!("batch.warmup_from = {}", config.batch.warmup_from);
    let reason = format!("the first step has {first} sequences for {pipelines} devices: give it one for each at least");
    Err(TrainError::Config { source_name, reason })
}

/// What an earlier cut is predicted to take.
fn replan(config: &TrainConfig, site: &Site, cut: Cut) -> Plan {
    Planner::new(Subject::of(config), &site.device.limits, &site.rates()).plan(cut)
}
