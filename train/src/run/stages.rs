//! A run whose model is in stages.

use std::ops::Range;

use burn::{module::Module, tensor::Tensor};
use hearth_data::Batch;

use super::{
    order::{from_bytes, to_bytes},
    resume::Origin,
    trainer,
};
use crate::{
    TrainConfig, TrainError,
    devices::{DeviceChoice, OpenDevice, open},
    parallel::{CollectiveError, Exchange, Local, Pipe},
    plan::Cut,
    step::Trainer,
    walk::{Policy, Walk},
};

/// The model as it is at the origin, whole, in host memory.
pub(super) fn host_trainer(config: &TrainConfig, origin: &Origin) -> Result<Trainer, TrainError> {
    let policy = Policy::keep(config.model.layers);
    let cut = Cut { micro_batch: 1, accumulation: 1, logits_chunk: 1, policy };
    trainer(config, &cut, &open(DeviceChoice::Cpu)?, origin)
}

/// The walk of a stage over these blocks.
pub(super) fn stage_walk(config: &TrainConfig, blocks: Range<usize>, cut: &Cut, device: &OpenDevice) -> Walk {
    let mut walk = Walk::over(&config.model, blocks, config.model.context_length, &device.device);
    walk.loss.z_loss = config.loss.z_loss;
    walk.loss.chunk = cut.logits_chunk;
    walk.policy = cut.policy.clone();
    walk
}

/// Each rank's place in a pipeline, where the model is in stages.
pub(super) fn pipes(config: &TrainConfig, world: usize, processes: bool) -> Result<Vec<Option<Pipe>>, TrainError> {
    let stages = config.parallel.stages;
    let refuse = |reason: String| TrainError::Config { source_name: "several devices".into(), reason };
    if stages == 1 {
        return Ok((0..world).map(|_| None).collect());
    }
    if processes {
        return Err(refuse(format!(
            "parallel.stages = {stages}: the stages of a model are devices of one process; leave out --parallel mpi, or \
             the stages"
        )));
    }
    if !world.is_multiple_of(stages) {
        return Err(refuse(format!(
            "parallel.stages = {stages}: {world} devices make no whole pipelines; name a multiple of {stages} with --device"
        )));
    }
    let pipelines = world / stages;
    let mut lines: Vec<_> = (0..stages).map(|_| Local::group(pipelines).into_iter()).collect();
    let mut pipes = Vec::with_capacity(world);
    for _ in 0..pipelines {
        for (pipe, line) in Pipe::line(stages, config.model.tied).into_iter().zip(&mut lines) {
            let rank = line.next().expect("one a pipeline");
            pipes.push(Some(if pipelines > 1 { pipe.with_replicas(Exchange::new(rank)) } else { pipe }));
        }
    }
    Ok(pipes)
}

/// The summed loss of `batches`, in parts of `rows`; every rank has them, and gets it.
pub(super) fn evaluate(
    pipe: &Pipe,
    trainer: &Trainer,
    exchange: &mut Exchange,
    batches: &[Batch],
    rows: usize,
) -> Result<f64, CollectiveError> {
    let model = trainer.model().valid();
    let mut total: Option<Tensor<1>> = None;
    for batch in batches.iter().flat_map(|batch| batch.split(rows)) {
        if let Some(loss) = pipe.evaluate(trainer, &model, &batch)? {
            total = Some(total.map_or(loss.clone(), |total| total + loss));
        }
    }
    // The last stages have it: that of the first pipeline comes first, and the others found the same.
    let total: Option<f32> = total.and_then(|total| total.into_data().iter().next());
    let all = exchange.collect(to_bytes(&total))?;
    let found = all.iter().find_map(|bytes| from_bytes::<Option<f32>>(bytes).ok().flatten());
    Ok(f64::from(found.expect("a last stage has the loss")))
}
