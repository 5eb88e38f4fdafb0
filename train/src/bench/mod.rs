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
use alone::{BlockTimes, block_times};
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
    let step = subject.times(options.warmup, options.steps)?;
    let memory = BenchMemory {
        pool_bytes: subject.pool_bytes(),
        resident_bytes: peak_resident(),
        resident_before_bytes,
        planned_bytes: choice.plan.peak_bytes(),
    };
    let parts = if options.parts { parts(&mut subject, options.steps, step)? } else { Vec::new() };
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

/// The parts of a step that takes `step`, which they come to.
fn parts(subject: &mut Subject, turns: usize, step: Spread) -> Result<Vec<PartTime>, TrainError> {
    let Stages { embedding, blocks, head, update } = subject.stages(turns)?;
    let BlockTimes { products, attention, norms, gates } = block_times(subject, turns)?;
    let (alone, in_step) = (Measured::Alone, Measured::InStep);
    let mut parts = vec![
        timed("products", "linear layers of the blocks", alone, products),
        timed("attention", "attention and rotary positions", alone, attention),
        timed("norms", "norms of the blocks", alone, norms),
        timed("gates", "GELU or SwiGLU", alone, gates),
    ];
    parts.push(rest("other", "the blocks' rest: sums, dropout, tape, copies", blocks.median_ms, &parts));
    parts.push(timed("embedding", "tokens and positions", in_step, embedding));
    parts.push(timed("head", "final norm, logits, loss", in_step, head));
    parts.push(timed("update", "squares, clipping, AdamW", in_step, update));
    parts.push(rest("rest", "what is left of the step: the host", step.median_ms, &parts));
    parts.iter_mut().for_each(|part| part.share = part.ms / step.median_ms);
    Ok(parts)
}
