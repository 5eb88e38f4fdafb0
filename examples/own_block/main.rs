//! A block of one's own, explained.
//!
//!     cargo run --release --example own_block
//!
//! [`block`] has a block that is written outside Hearth's crates. Here it is planned for, trained, saved, and gone on with
//! from what was saved, to the same bits.

pub mod block;

use std::{process::ExitCode, sync::Arc};

use block::RecurrentBlock;
use clap::Parser;
use hearth_data::{Batches, Rows, TokenizerKind, Tokens};
use hearth_examples::TEXT;
use hearth_model::{CrossEntropy, TransformerConfig};
use hearth_train::{
    Ceiling, OptimizerConfig, Policy, StepOptions, TrainError, Trainer, Walk,
    burn::tensor::Device,
    checkpoint::{Checkpoint, Description, Elsewhere, Memory, NewCheckpoint, Snapshot, Store, restore},
    devices::{DeviceChoice, OpenDevice, open},
    plan::{Cut, Planner, Rates, Subject},
    readback::Readback,
    walk::{Activations, Placement},
};

/// A block of one's own, explained.
#[derive(Parser)]
pub struct Arguments {
    /// auto, cpu, wgpu or wgpu:N
    #[arg(long, default_value_t)]
    pub device: DeviceChoice,
}

/// Sequences of a step, and tokens of a sequence.
const ROWS: u64 = 8;
const TIME: usize = 64;
const STEPS: u64 = 60;

#[allow(dead_code)] // test.rs includes this file for the rest
fn main() -> ExitCode {
    match compare(&Arguments::parse()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The losses of a run, and those after it was saved halfway and gone on with.
pub fn compare(arguments: &Arguments) -> Result<[Vec<f32>; 2], TrainError> {
    let device = open(arguments.device)?;
    let batches = batches()?;
    println!("{}", predicted(&device));
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let mut trainer = trainer(0, &device)?;
    let mut losses = train(&mut trainer, &batches, 0..STEPS / 2)?;
    let mut snapshot = Snapshot::take(&trainer, Elsewhere::default());
    snapshot.settle();
    let mut new = NewCheckpoint::create(&store, STEPS / 2)?;
    snapshot.write(&mut new)?;
    let name = new.finish(Description::default())?;
    losses.extend(train(&mut trainer, &batches, STEPS / 2..STEPS)?);
    // Another model, until it has what was saved.
    let mut resumed = self::trainer(1, &device)?;
    restore(&mut resumed, &Checkpoint::open(&store, &name)?)?;
    let later = train(&mut resumed, &batches, STEPS / 2..STEPS)?;
    println!("step   loss      resumed at step {}", STEPS / 2);
    for (step, loss) in losses.iter().enumerate().filter(|(step, _)| step % 10 == 9) {
        let again = step.checked_sub(STEPS as usize / 2).map_or(String::new(), |at| format!("{:.6}", later[at]));
        println!("{:>4}   {loss:.6}  {again}", step + 1);
    }
    let before = losses[..STEPS as usize / 2].to_vec();
    Ok([losses, [before, later].concat()])
}

/// A small model. What is said of attention is of no use to this block, but for the width of a head, which must be one.
pub fn config() -> TransformerConfig {
    TransformerConfig::llama(VOCABULARY, TIME, 3, 64, 4)
}

/// Characters of the text.
const VOCABULARY: usize = 65;

/// Windows of the embedded text.
pub fn batches() -> Result<Batches, TrainError> {
    let ids = TokenizerKind::Char.build(TEXT)?.encode(TEXT)?;
    Ok(Batches::new(Rows::windows(Arc::new(Tokens::new(ids)?), TIME, 0, 1)?))
}

/// A trainer of a model with random weights.
pub fn trainer(seed: u64, device: &OpenDevice) -> Result<Trainer<RecurrentBlock>, TrainError> {
    let mut walk = Walk::new(&config(), TIME, &device.device);
    walk.policy = policy();
    let mut options = StepOptions::new(STEPS);
    options.schedule.warmup_steps = 5;
    // On the host: devices may draw other numbers.
    Ok(Trainer::new(config().init_of(seed, &Device::flex())?, walk, options))
}

/// What the planner could have chosen: the last block keeps its tape, the others are run again on the way back.
fn policy() -> Policy {
    let mut policy = Policy::uniform(3, 1, Activations::Recompute, Placement::Device);
    policy.segments[2].activations = Activations::Keep;
    policy
}

/// What the planner says of a step.
fn predicted(device: &OpenDevice) -> String {
    let (config, optimizer) = (config(), OptimizerConfig::default());
    let subject = Subject::new(&config, &optimizer, TIME).of_blocks::<RecurrentBlock>();
    let cut = Cut::new(ROWS as usize, 1, CrossEntropy::of(&config).chunk, policy());
    let plan = Planner::new(subject, &device.limits, &Rates::default()).plan(cut);
    format!("{}: {:.1} MiB at the {}", plan.cut, plan.peak_bytes() as f64 / f64::from(1 << 20), plan.peak.phase)
}

/// The losses of these steps.
fn train(
    trainer: &mut Trainer<RecurrentBlock>,
    batches: &Batches,
    steps: std::ops::Range<u64>,
) -> Result<Vec<f32>, TrainError> {
    let step = |number: u64| {
        let batch = batches.batch(number * ROWS..(number + 1) * ROWS)?;
        let loss = trainer.step(number, &[batch], &Ceiling::FINITE).loss;
        let data = Readback::new(loss).wait().map_err(TrainError::of_device)?;
        Ok(data.iter::<f32>().next().expect("a loss is one number"))
    };
    steps.map(step).collect()
}
