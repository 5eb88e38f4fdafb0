//! Replicas on several devices come to the bits of one device that takes the same global batch.

use std::{sync::Arc, thread};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use hearth_data::{Batch, Batches, Rows, TokenizerKind, Tokens};
use hearth_model::{TransformerConfig, preset};
use hearth_train::{
    devices::{DeviceChoice, OpenDevice, open},
    guard::Ceiling,
    optim::{OptimizerConfig, Schedule, ScheduleKind},
    parallel::{CollectiveError, Local, Replica},
    step::{StepOptions, Trainer},
    walk::Walk,
};

const TEXT: &str = include_str!("../../examples/shakespeare/input.txt");
const TIME: usize = 24;
const ROWS: u64 = 12;
const STEPS: u64 = 10;

/// Losses of ten steps, and every parameter after them.
#[derive(Debug, PartialEq)]
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
        layers: 2,
        width: 32,
        heads: 4,
        kv_heads: 2,
        ffn_width,
        tied,
        dropout: 0.1,
        ..small
    }
}

fn trainer(tied: bool, device: &Device) -> Trainer {
    let options = StepOptions {
        optimizer: OptimizerConfig::default(),
        schedule: Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() },
        total_steps: STEPS,
        seed: 0,
    };
    let config = config(tied);
    // Made in one place: devices may draw other numbers.
    let model = config.init(0, &Device::flex().autodiff()).unwrap();
    Trainer::new(model, Walk::new(&config, TIME, device), options)
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
    let mut parameters = Parameters(Vec::new());
    trainer.model().visit(&mut parameters);
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

/// A replica on each device, with as many micro-batches of the `parts` as `shares` says.
fn on_several(tied: bool, parts: u64, shares: &[usize], devices: &[Device]) -> Vec<Outcome> {
    thread::scope(|scope| {
        let ranks: Vec<_> = Local::group(devices.len())
            .into_iter()
            .enumerate()
            .map(|(rank, local)| {
                scope.spawn(move || {
                    let mut replica = Replica::new(trainer(tied, &devices[rank]), local);
                    let first = shares[..rank].iter().sum::<usize>();
                    let losses = (0..STEPS).map(|step| {
                        let all = micro_batches(step, parts);
                        let own = &all[first..first + shares[rank]];
                        loss(replica.step(step, first, own, &Ceiling::FINITE).unwrap().loss)
                    });
                    let losses = losses.collect();
                    outcome(replica.trainer(), losses)
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn close(one: &Outcome, other: &Outcome, tolerance: f32) {
    for (a, b) in one.losses.iter().zip(&other.losses).chain(one.parameters.iter().zip(&other.parameters)) {
        assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{a} is not {b}");
    }
}

/// Logical devices on the adapter of the tests.
fn wgpu(count: usize) -> Option<Vec<OpenDevice>> {
    hearth_wgsl::testing::wgpu_device()?;
    Some((0..count).map(|_| open(DeviceChoice::Wgpu(None)).unwrap()).collect())
}

#[test]
fn two_and_four_on_the_cpu() {
    for tied in [false, true] {
        for world in [2, 4] {
            let one = on_one(tied, world, &Device::flex());
            assert!(one.losses[9] < one.losses[0] - 0.2, "it learns: {:?}", one.losses);
            for replica in on_several(tied, world, &vec![1; world as usize], &vec![Device::flex(); world as usize]) {
                assert_eq!(replica, one);
            }
        }
    }
}

#[test]
fn two_and_four_logical_devices_of_one_adapter() {
    for world in [2, 4] {
        let Some(opened) = wgpu(world) else { return };
        let devices: Vec<Device> = opened.iter().map(|it| it.device.clone()).collect();
        let one = on_one(true, world as u64, &devices[0]);
        for replica in on_several(true, world as u64, &vec![1; world], &devices) {
            assert_eq!(replica, one);
        }
    }
}

/// Unequal shares: three of four micro-batches on one, one on the other.
#[test]
fn wgpu_and_the_cpu_together() {
    let Some(opened) = wgpu(1) else { return };
    let one = on_one(true, 4, &Device::flex());
    for replica in on_several(true, 4, &[1, 3], &[opened[0].device.clone(), Device::flex()]) {
        close(&one, &replica, 1e-5);
    }
}

#[test]
fn a_rank_that_ends_is_told_to_the_others_and_nothing_is_updated() {
    let mut ranks = Local::group(2).into_iter();
    let mut replica = Replica::new(trainer(true, &Device::flex()), ranks.next().unwrap());
    let before = outcome(replica.trainer(), Vec::new());
    drop(ranks.next());
    let error = replica.step(0, 0, &micro_batches(0, 2)[..1], &Ceiling::FINITE).unwrap_err();
    assert_eq!(error, CollectiveError::Lost { rank: 1, world: 2 });
    assert_eq!(outcome(replica.trainer(), Vec::new()), before);
}
