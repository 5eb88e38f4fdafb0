//! The places of ranks in pipelines.

use crate::{
    TrainConfig, TrainError,
    parallel::{Exchange, Local, Pipe},
};

/// Each rank's place in a pipeline, where the model is in stages and ranks are threads: rank `p * stages + s` is stage `s` of
/// pipeline `p`.
pub(super) fn pipes(config: &TrainConfig, world: usize) -> Vec<Option<Pipe>> {
    let stages = config.parallel.stages;
    if stages == 1 {
        return (0..world).map(|_| None).collect();
    }
    let pipelines = world / stages;
    let mut lines: Vec<_> = (0..stages).map(|_| Local::group(pipelines).into_iter()).collect();
    let mut pipes = Vec::with_capacity(world);
    for _ in 0..pipelines {
        for (pipe, line) in Pipe::pipeline(stages, config.model.tied).into_iter().zip(&mut lines) {
            let rank = line.next().expect("one a pipeline");
            pipes.push(Some(if pipelines > 1 { pipe.with_replicas(Exchange::new(rank)) } else { pipe }));
        }
    }
    pipes
}

/// # Errors
/// Ranks that make no whole pipelines.
pub(super) fn check(config: &TrainConfig, world: usize) -> Result<(), TrainError> {
    let stages = config.parallel.stages;
    if world.is_multiple_of(stages) {
        return Ok(());
    }
    let reason = format!(
        "parallel.stages = {stages}: {world} devices make no whole pipelines; name a multiple of {stages} with --device"
    );
    Err(TrainError::Config { source_name: "several devices".into(), reason })
}
