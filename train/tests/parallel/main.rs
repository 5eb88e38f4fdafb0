//! Several devices come to the bits of one device that takes the same global batch.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use hearth_data::{Batch, Batches, Rows, TokenizerKind, Tokens};
use hearth_model::{Transformer, TransformerConfig, preset};
use hearth_train::{
    checkpoint::KernelChoices,
    devices::{DeviceChoice, OpenDevice, PinnedKernels, open},
    guard::Ceiling,
    optim::{OptimizerConfig, ParameterGroup, RuleKind, Schedule, ScheduleKind},
    step::{StepOptions, Trainer},
    walk::Walk,
};

mod pipeline;
mod replicas;

const TEXT: &str = include_str!("../../../examples/shakespeare/input.txt");
const TIME: usize = 24;
const ROWS: u64 = 12;
const STEPS: u64 = 10;

/// Losses of ten steps, and every parameter after them.
#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    losses: Vec<f32>,
    parameters: Vec<f32>,
}

fn config(tied: bool) -> TransformerConfig {
    let (context_length, ffn_width) = (TIME, 64);
    let small = preset("stories260k").unwrap();
    TransformerConfig {
        vocab_size: 65,
        context_length,
        layers: 3,
        width: 32,
        heads: 4,
        kv_heads: 2,
        ffn_width,
        tied,
        dropout: 0.1,
        // The first block is dense.
        experts: 4,
        expert_width: 24,
        dense_layers: 1,
        // The first block and the last look up tokens; those of a stage come with its batch.
        value_embeddings: 2,
        attention_sinks: true,
        ..small
    }
}

/// Muon for the matrices of attention and experts, AdamW for the rest.
fn options() -> StepOptions {
    let mlp = ParameterGroup { parameters: vec!["*.mlp.*".into()], rule: Some(RuleKind::Adamw), ..Default::default() };
    StepOptions {
        optimizer: OptimizerConfig {
            rule: RuleKind::Muon,
            learning_rate: 2e-3,
            groups: vec![mlp],
            ..OptimizerConfig::default()
        },
        schedule: Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() },
        total_steps: STEPS,
        seed: 0,
    }
}

/// Made in one place: devices may draw other numbers.
fn model(tied: bool) -> Transformer {
    config(tied).init(0, &Device::flex().autodiff()).unwrap()
}

fn trainer(tied: bool, device: &Device) -> Trainer {
    Trainer::new(model(tied), Walk::new(&config(tied), TIME, device), options())
}

/// The micro-batches of a step, which is cut into `parts`.
fn micro_batches(step: u64, parts: u64) -> Vec<Batch> {
    let text = &TEXT[..20_000];
    let tokenizer = TokenizerKind::Char.build(text).unwrap();
    let tokens = Tokens::new(tokenizer.encode(text).unwrap()).unwrap();
    let batches = Batches::new(Rows::windows(Arc::new(tokens), TIME, 0, 1).unwrap());
    let rows = ROWS / parts;
    (0..parts).map(|part| step * ROWS + part * rows).map(|first| batches.batch(first..first + rows).unwrap()).collect()
}

fn outcome(trainer: &Trainer, losses: Vec<f32>) -> Outcome {
    outcome_of(trainer.model(), losses)
}

fn outcome_of(model: &Transformer, losses: Vec<f32>) -> Outcome {
    let mut parameters = Parameters(Vec::new());
    model.visit(&mut parameters);
    Outcome { losses, parameters: parameters.0 }
}

fn loss(loss: Tensor<1>) -> f32 {
    loss.into_data().iter().next().unwrap()
}

struct Parameters(Vec<f32>);

impl ModuleVisitor for Parameters {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.extend(param.val().into_data().iter::<f32>());
    }
}

fn on_one(tied: bool, parts: u64, device: &Device) -> Outcome {
    let mut trainer = trainer(tied, device);
    let losses = (0..STEPS).map(|step| loss(trainer.step(step, &micro_batches(step, parts), &Ceiling::FINITE).loss));
    let losses = losses.collect();
    outcome(&trainer, losses)
}

fn close(one: &Outcome, other: &Outcome, tolerance: f32) {
    for (a, b) in one.losses.iter().zip(&other.losses).chain(one.parameters.iter().zip(&other.parameters)) {
        assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{a} is not {b}");
    }
}

fn same(found: &Outcome, expected: &Outcome, what: &str) {
    let differ = found.parameters.iter().zip(&expected.parameters).filter(|(a, b)| a != b).count();
    assert!(found == expected, "{what}: {differ} parameters differ; losses {:?}, {:?}", found.losses, expected.losses);
}

/// Logical devices on the adapter of the tests, with the kernels that the first one chooses: each by itself may choose one
/// that rounds otherwise.
fn wgpu(count: usize) -> Option<Vec<OpenDevice>> {
    static OPENED: OnceLock<(Vec<OpenDevice>, PinnedKernels)> = OnceLock::new();
    hearth_wgsl::testing::wgpu_device()?;
    let (opened, _) = OPENED.get_or_init(|| {
        let opened: Vec<OpenDevice> = (0..4).map(|_| open(DeviceChoice::Wgpu(None)).unwrap()).collect();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parallel.db");
        let pin = |devices: &[OpenDevice], choices: &KernelChoices| PinnedKernels::new(devices, path.clone(), choices);
        let pinned = pin(&opened[..1], &KernelChoices::default());
        for parts in [2, 4] {
            on_one(true, parts, &opened[0].device);
        }
        let choices = pinned.choices();
        drop(pinned);
        let pinned = pin(&opened, &choices);
        (opened, pinned)
    });
    Some(opened[..count].to_vec())
}
