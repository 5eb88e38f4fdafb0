//! The plans of several devices: replicas with a share of the batch each, or stages of a model.

use std::ops::Range;

use hearth_model::{CrossEntropy, ParameterCount, TransformerConfig};

use super::{
    Choice, Cut, Extent, Limits, Plan, Rates,
    choose::{budget, choose_as, mib},
    search::plan_as,
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
    limits: &Limits,
    rates: &Rates,
) -> Result<Choice, TrainError> {
    let extent = Extent::replica(world, config.parallel.shard_optimizer);
    choose_as(&with_rows(config, rows), limits, rates, &extent)
}

/// How stage `number`, which has these blocks of the model and these rows of each global batch, takes its steps: with the
/// micro-batches that are set, for all stages must have the same, and the first policy that fits.
///
/// # Errors
/// No policy that fits.
pub fn stage_plan(
    config: &TrainConfig,
    (number, blocks): (usize, &Range<usize>),
    rows: &Range<usize>,
    limits: &Limits,
    rates: &Rates,
) -> Result<Plan, TrainError> {
    let refuse = |reason: String| TrainError::Config { source_name: "memory".into(), reason };
    let part = with_rows(config, rows);
    let model = TransformerConfig { layers: blocks.len(), ..config.model.clone() };
    let (micro_batch, accumulation) = (part.batch.micro_batch, part.batch.accumulation);
    let extent = Extent::stage(&config.model, number, blocks, config.parallel.stages, accumulation);
    let time = model.context_length;
    let logits_chunk = CrossEntropy::of(&model).chunk.min(micro_batch * time);
    let set = config.memory.policy(model.layers).map_err(refuse)?;
    let policies = set.map_or_else(|| Policy::on_device(model.layers), |policy| vec![policy]);
    let plans: Vec<Plan> = policies
        .into_iter()
        .map(|policy| {
            plan_as(&model, time, Cut { micro_batch, accumulation, logits_chunk, policy }, limits, rates, &extent)
        })
        .collect();
    let fits = |plan: &&Plan| budget(config, limits).is_none_or(|budget| plan.peak_bytes() <= budget);
    plans.iter().find(fits).cloned().ok_or_else(|| {
        let smallest = plans.iter().map(Plan::peak_bytes).min().unwrap_or(0);
        refuse(format!(
            "a stage of {} blocks takes {} at least: lower batch.micro_batch, name more devices with more \
             parallel.stages, or raise memory.budget_mib",
            model.layers,
            mib(smallest)
        ))
    })
}

/// The blocks of each stage, by the speed of its slowest device among pipelines of `stages`: as many for each as makes them
/// equally long, and at least one.
///
/// # Errors
/// Fewer blocks than stages.
pub fn stage_blocks(model: &TransformerConfig, speeds: &[f64], stages: usize) -> Result<Vec<Range<usize>>, TrainError> {
    let layers = model.layers;
    if layers < stages {
        let reason = format!("{stages} stages for a model of {layers} blocks: give at most one stage a block");
        return Err(TrainError::Config { source_name: "parallel.stages".into(), reason });
    }
    let slowest = (0..stages).map(|stage| speeds.iter().skip(stage).step_by(stages).copied());
    let slowest: Vec<f64> = slowest.map(|speeds| speeds.fold(f64::INFINITY, f64::min)).collect();
    // What the head takes, in blocks.
    let head = (model.vocab_size * model.width) as f64 / ParameterCount::of(model).block as f64;
    Ok(cut(layers, head, &slowest))
}

fn cut(layers: usize, head: f64, speeds: &[f64]) -> Vec<Range<usize>> {
    let total: f64 = speeds.iter().sum();
    let (mut start, mut passed) = (0, 0.0);
    let cuts = speeds.iter().enumerate().map(|(stage, speed)| {
        passed += speed;
        let fair = (passed / total * (layers as f64 + head)).round() as usize;
        let left = speeds.len() - stage - 1;
        let end = if left == 0 { layers } else { fair.clamp(start + 1, layers - left) };
        std::mem::replace(&mut start, end)..end
    });
    cuts.collect()
}

/// The configuration of a device that has these rows of each global batch.
fn with_rows(config: &TrainConfig, rows: &Range<usize>) -> TrainConfig {
    let mut part = config.clone();
    part.batch.micro_batch = config.batch.micro_batch.min(rows.len());
    part.batch.accumulation = rows.len().div_ceil(part.batch.micro_batch);
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_equally_long_and_none_is_empty() {
        assert_eq!(cut(12, 0.0, &[1.0, 1.0]), [0..6, 6..12]);
        assert_eq!(cut(12, 4.0, &[1.0, 1.0]), [0..8, 8..12]);
        assert_eq!(cut(12, 0.0, &[3.0, 1.0]), [0..9, 9..12]);
        assert_eq!(cut(3, 99.0, &[1.0, 1e9, 1.0]), [0..1, 1..2, 2..3]);
    }
}
