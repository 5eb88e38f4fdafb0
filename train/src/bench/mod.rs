//! What a training step takes on a device, and its parts: `hearth bench`.
//!
//! ```
//! use hearth_train::{TrainConfig, bench::{BenchOptions, bench}, devices::{DeviceChoice, open}};
//!
//! let mut config = TrainConfig::new(hearth_model::preset("stories260k")?);
//! (config.model.layers, config.model.context_length) = (1, 16);
//! config.limits.steps = 100;
//! let options = BenchOptions { steps: 2, ..BenchOptions::default() };
//! let report = bench(&config, &open(DeviceChoice::Cpu)?, &options)?;
//! let parts: f64 = report.parts.iter().map(|part| part.ms).sum();
//! assert!((parts / report.step.median_ms - 1.0).abs() < 1e-9);
//! # Ok::<(), hearth_train::TrainError>(())
//! ```

mod alone;
mod figures;
mod resident;
mod stages;
mod subject;

use hearth_model::{Flops, ParameterCount};

pub use figures::{BenchMemory, BenchReport, Measured, PartTime, Spread};

use crate::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    plan::{Choice, Rates, choose},
};
use alone::{Alone, BlockTimes};
use figures::{rest, timed};
use resident::peak_resident;
use stages::Stages;
use subject::Subject;

/// What is measured. To set some: `BenchOptions { steps: 50, ..BenchOptions::default() }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BenchOptions {
    /// Steps that are timed, and turns of each part; at least 1. Default 10.
    pub steps: usize,
    /// Steps before them, in which kernels are compiled and moments made; at least 1. Default 3.
    pub warmup: usize,
    /// Whether the parts of a step are measured too. Default true.
    pub parts: bool,
}

impl Default for BenchOptions {
    fn default() -> Self {
        Self { steps: 10, warmup: 3, parts: true }
    }
}

/// Times training steps of `config` on `device`, on token ids that are made up: `config.data` is not opened. A step is what
/// a run takes: micro-batches forward and back, the norm, clipping, the update, and the loss read at its end.
///
/// Switches kernels for the whole process, as [`Kernels::apply`](crate::config::Kernels::apply).
///
/// # Errors
/// A configuration that no run can have, or that leaves the vocabulary to its tokenizer; no plan that fits the device; a
/// device that fails.
pub fn bench(config: &TrainConfig, device: &OpenDevice, options: &BenchOptions) -> Result<BenchReport, TrainError> {
    check(config)?;
    config.kernels.apply();
    let choice = plan(config, device)?;
    let resident_before_bytes = peak_resident();
    let mut subject = Subject::new(config, &choice.plan.cut, &device.device)?;
    subject.warm_up(options.warmup)?;
    let memory = BenchMemory {
        pool_bytes: subject.pool_bytes(),
        resident_bytes: peak_resident(),
        resident_before_bytes,
        planned_bytes: choice.plan.peak_bytes(),
    };
    let turns = turns(&mut subject, options)?;
    let step = Spread::of(turns.steps);
    let parts = if options.parts { parts(&step, &turns.stages, &turns.blocks) } else { Vec::new() };
    let (model, cut) = (&config.model, &choice.plan.cut);
    let sequences = cut.micro_batch * cut.accumulation;
    let flops_per_step = sequences as f64 * Flops::per_sequence(model, model.context_length).training;
    // Last: on the CPU its matrices would count as the step's memory.
    let device_flops = device.flops();
    let seconds = 1e-3 * step.median_ms;
    Ok(BenchReport {
        device: device.name.clone(),
        parameters: ParameterCount::of(model).total,
        tokens_per_step: config.tokens_per_step(),
        cut: cut.to_string(),
        steps: options.steps,
        step,
        parts,
        tokens_per_second: config.tokens_per_step() as f64 / seconds,
        flops_per_step,
        device_flops,
        mfu: flops_per_step / (seconds * device_flops),
        memory,
        loss: subject.loss(),
    })
}

fn check(config: &TrainConfig) -> Result<(), TrainError> {
    config.validate()?;
    if config.model.vocab_size > 0 {
        return Ok(());
    }
    let reason = "model.vocab_size: a bench opens no data, whose tokenizer would say it; give it, as in `--set \
                  model.vocab_size=65`";
    Err(TrainError::Config { source_name: "configuration".into(), reason: reason.into() })
}

/// The plan of a run. A device that computes in host memory is not measured for it: see above.
fn plan(config: &TrainConfig, device: &OpenDevice) -> Result<Choice, TrainError> {
    let has_pool = device.device.memory_pool_usage().is_some();
    let rates = if has_pool { Rates::of_flops(device.flops()) } else { Rates::default() };
    choose(config, &device.limits, &rates)
}

/// What was timed, in seconds.
#[derive(Default)]
struct Turns {
    steps: Vec<f64>,
    stages: Vec<Stages>,
    blocks: Vec<BlockTimes>,
}

/// Steps and parts in turns: what slows the machine for a while slows all of them.
fn turns(subject: &mut Subject, options: &BenchOptions) -> Result<Turns, TrainError> {
    let mut turns = Turns::default();
    let alone = options.parts.then(|| Alone::new(subject));
    if let Some(alone) = &alone {
        // Kernels for these shapes are compiled, and not counted.
        subject.take_stages()?;
        alone.take_turn(subject.trainer.model())?;
    }
    for _ in 0..options.steps.max(1) {
        turns.steps.push(subject.take_step()?);
        if let Some(alone) = &alone {
            turns.stages.push(subject.take_stages()?);
            turns.blocks.push(alone.take_turn(subject.trainer.model())?);
        }
    }
    Ok(turns)
}

/// The parts of a step, which come to its median.
fn parts(step: &Spread, stages: &[Stages], blocks: &[BlockTimes]) -> Vec<PartTime> {
    let in_step =
        |name, what, stage: fn(&Stages) -> f64| timed(name, what, Measured::InStep, stages.iter().map(stage).collect());
    let alone = |name, what, operation: fn(&BlockTimes) -> f64| {
        timed(name, what, Measured::Alone, blocks.iter().map(operation).collect())
    };
    let all_blocks = in_step("blocks", "", |it| it.blocks);
    let mut parts = vec![
        alone("products", "linear layers of the blocks", |it| it.products),
        alone("attention", "attention and rotary positions", |it| it.attention),
        alone("norms", "norms of the blocks", |it| it.norms),
        alone("gates", "GELU or SwiGLU", |it| it.gates),
    ];
    parts.push(rest("other", "of the blocks: sums, dropout, tapes, copies", all_blocks.ms, &parts));
    parts.push(in_step("embedding", "tokens and positions", |it| it.embedding));
    parts.push(in_step("head", "final norm, logits, loss", |it| it.head));
    parts.push(in_step("update", "squares, clipping, AdamW", |it| it.update));
    parts.push(rest("rest", "of the step: the host's work", step.median_ms, &parts));
    parts.iter_mut().for_each(|part| part.share = part.ms / step.median_ms);
    parts
}
