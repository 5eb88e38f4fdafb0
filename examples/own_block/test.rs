//! The example's block computes what it says, and trains as Hearth's own: resumed, on replicas and in stages to the same
//! bits, within the memory that was predicted.

#[path = "main.rs"]
mod example;

use std::thread;

use example::{Arguments, batches, block::scan, compare, config, trainer};
use hearth_model::{ModelShape, Site, TransformerConfig};
use hearth_train::{
    Ceiling, Policy, Walk,
    burn::{
        module::Module,
        tensor::{Device, Tensor, Tolerance},
    },
    config::ParallelConfig,
    devices::{DeviceChoice, OpenDevice, open},
    parallel::{Exchange, Links, Local, OuterState, Pipe, Rank},
};

use crate::example::block::RecurrentBlock;

#[test]
fn a_scan_has_the_states_one_after_the_other() {
    for time in [1, 2, 5, 8] {
        let numbers = |salt: usize| {
            let values: Vec<f32> = (0..time * 3).map(|at| (at * 7 + salt) as f32 % 11.0 / 11.0).collect();
            Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).reshape([1, time, 3])
        };
        let (decay, input) = (numbers(1), numbers(4));
        let mut state = Tensor::zeros([1, 1, 3], &Device::flex());
        let mut states = Vec::new();
        for at in 0..time {
            state = state * decay.clone().narrow(1, at, 1) + input.clone().narrow(1, at, 1);
            states.push(state.clone());
        }
        let expected = Tensor::cat(states, 1).into_data();
        scan(decay, input).into_data().assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-6));
    }
}

#[test]
fn it_tells_the_parameters_that_it_has() {
    for bias in [false, true] {
        let config = TransformerConfig { bias, ..config() };
        let model = config.init_of::<RecurrentBlock>(0, &Device::flex()).unwrap();
        let told = ModelShape::of_blocks::<RecurrentBlock>(&config, &Site::of_sequence(8));
        assert_eq!(told.blocks().map(|it| it.count()).sum::<u128>(), model.blocks.num_params() as u128);
    }
}

fn resumes(device: DeviceChoice) {
    let [whole, resumed] = compare(&Arguments { device }).unwrap();
    assert_eq!(whole, resumed);
    assert!(whole[59] < 0.75 * whole[0], "it learns: {whole:?}");
}

#[test]
fn on_the_cpu_it_resumes_to_the_same_bits() {
    resumes(DeviceChoice::Cpu);
}

#[test]
fn on_wgpu_it_resumes_to_the_same_bits() {
    if hearth_wgsl::testing::wgpu_device().is_some() {
        resumes(DeviceChoice::Wgpu(None));
    }
}

/// Losses of three steps of two micro-batches on one device, on two replicas, and in two stages.
#[test]
fn replicas_and_stages_have_the_bits_of_one_device() {
    let device = || open(DeviceChoice::Cpu).unwrap();
    let micro =
        |step: u64| [0, 4].map(|first| batches().unwrap().batch(8 * step + first..8 * step + first + 4).unwrap());
    let loss = |loss: Tensor<1>| loss.into_scalar::<f32>();
    let mut one = trainer(0, &device()).unwrap();
    let expected: Vec<f32> = (0..3).map(|step| loss(one.step(step, &micro(step), &Ceiling::FINITE).loss)).collect();

    let steps = |mut rank: Rank<RecurrentBlock>, own: std::ops::Range<usize>| -> Vec<f32> {
        let step = |step| rank.step(step, own.start, &micro(step)[own.clone()], &Ceiling::FINITE).unwrap().0;
        (0..3).map(step).map(|outcome| loss(outcome.loss)).collect()
    };
    let settings = ParallelConfig { shard_optimizer: true, ..ParallelConfig::default() };
    let replica = |(rank, line): (usize, Local)| {
        let state = OuterState::default();
        let replica = Rank::replica(trainer(0, &device()).unwrap(), Exchange::new(line), &settings, state).unwrap();
        steps(replica, rank..rank + 1)
    };
    let stage = |(rank, (line, pipe)): (usize, (Local, Pipe))| {
        let (blocks, OpenDevice { device: place, .. }) = ([0..2, 2..3][rank].clone(), device());
        let mut walk = Walk::over(&config(), blocks.clone(), 64, &place);
        walk.policy = Policy::keep(blocks.len());
        let links = Links { line: Exchange::new(line), pipe: Some(pipe) };
        let stage = Rank::stage(trainer(0, &device()).unwrap(), walk, links, &ParallelConfig::default()).unwrap();
        steps(stage, 0..2)
    };
    thread::scope(|scope| {
        let replicas = Local::group(2).into_iter().enumerate().map(|it| scope.spawn(move || replica(it)));
        for found in replicas.collect::<Vec<_>>() {
            assert_eq!(found.join().unwrap(), expected);
        }
    });
    thread::scope(|scope| {
        let places = Local::group(2).into_iter().zip(Pipe::pipeline(2, false)).enumerate();
        for found in places.map(|it| scope.spawn(move || stage(it))).collect::<Vec<_>>() {
            assert_eq!(found.join().unwrap(), expected);
        }
    });
}
