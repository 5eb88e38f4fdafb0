//! A model in stages, and a grid of such pipelines.

use std::{ops::Range, thread};

use burn::tensor::Device;
use hearth_model::Transformer;
use hearth_train::{
    config::ParallelConfig,
    guard::Ceiling,
    parallel::{CollectiveError, Exchange, Links, Local, Pipe, Rank},
    walk::Walk,
};

use super::{Outcome, STEPS, TIME, close, config, loss, micro_batches, on_one, outcome_of, same, trainer, wgpu};

const CUTS: [Range<usize>; 2] = [0..2, 2..3];

/// The links of `pipelines` pipelines of `stages` stages, by rank.
fn links(pipelines: usize, stages: usize, tied: bool) -> Vec<Links> {
    let mut replicas: Vec<_> = (0..stages).map(|_| Local::group(pipelines).into_iter()).collect();
    let places = (0..pipelines).flat_map(|_| {
        let places = Pipe::pipeline(stages, tied).into_iter().zip(&mut replicas);
        places.map(|(pipe, line)| pipe.with_replicas(Exchange::new(line.next().unwrap()))).collect::<Vec<_>>()
    });
    let world = Local::group(pipelines * stages).into_iter();
    world.zip(places).map(|(line, pipe)| Links { line: Exchange::new(line), pipe: Some(pipe) }).collect()
}

fn stage(tied: bool, cut: &Range<usize>, device: &Device, links: Links, settings: &ParallelConfig) -> Rank {
    let walk = Walk::over(&config(tied), cut.clone(), TIME, device);
    Rank::stage(trainer(tied, &Device::flex()), walk, links, settings).unwrap()
}

/// As many pipelines as there are rows in `devices`, with a stage on each of a row's devices and `micro` micro-batches
/// each; what each came to, and how many micro-batches its stages had in flight.
fn on_grid(tied: bool, micro: u64, devices: &[Vec<Device>], cuts: &[Range<usize>]) -> Vec<(Outcome, Vec<usize>)> {
    on_grid_with(&ParallelConfig::default(), tied, micro, devices, cuts)
}

fn on_grid_with(
    settings: &ParallelConfig,
    tied: bool,
    micro: u64,
    devices: &[Vec<Device>],
    cuts: &[Range<usize>],
) -> Vec<(Outcome, Vec<usize>)> {
    let (pipelines, stages) = (devices.len(), cuts.len());
    let places = links(pipelines, stages, tied).into_iter().zip(devices.concat()).enumerate();
    let threads = places.map(|(rank, (links, device))| {
        let (cut, settings) = (cuts[rank % stages].clone(), settings.clone());
        thread::spawn(move || {
            let mut stage = stage(tied, &cut, &device, links, &settings);
            let first = rank / stages * micro as usize;
            let losses: Vec<f32> = (0..STEPS)
                .map(|step| {
                    let all = micro_batches(step, micro * pipelines as u64);
                    let own = &all[first..first + micro as usize];
                    let (outcome, figures) = stage.step(step, first, own, &Ceiling::FINITE).unwrap();
                    assert!(figures.len() == pipelines * stages && figures.iter().all(|of| of.walk > 0.0));
                    loss(outcome.loss)
                })
                .collect();
            (stage, losses)
        })
    });
    let threads: Vec<_> = threads.collect();
    let ranks: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let joined = |pipeline: &[(Rank, Vec<f32>)]| {
        let parts = pipeline.iter().map(|(stage, _)| stage.trainer().model().clone());
        let most = pipeline.iter().map(|(stage, _)| stage.pipe().unwrap().most_in_flight()).collect();
        (outcome_of(&Transformer::from_stages(parts.collect()), pipeline[0].1.clone()), most)
    };
    ranks.chunks(stages).map(joined).collect()
}

#[test]
fn two_stages_on_the_cpu() {
    for tied in [false, true] {
        let one = on_one(tied, 4, &Device::flex());
        let found = on_grid(tied, 4, &[vec![Device::flex(); 2]], &CUTS);
        same(&found[0].0, &one, &format!("tied {tied}"));
        assert_eq!(found[0].1, [2, 1], "micro-batches on their way");
    }
}

#[test]
fn three_stages_and_two_micro_batches() {
    let one = on_one(true, 2, &Device::flex());
    let found = on_grid(true, 2, &[vec![Device::flex(); 3]], &[0..1, 1..2, 2..3]);
    same(&found[0].0, &one, "three stages");
    assert_eq!(found[0].1, [2, 2, 1]);
}

#[test]
fn two_stages_on_logical_devices_of_one_adapter() {
    let Some(opened) = wgpu(2) else { return };
    let devices: Vec<Device> = opened.iter().map(|it| it.device.clone()).collect();
    let one = on_one(true, 4, &devices[0]);
    same(&on_grid(true, 4, &[devices], &CUTS)[0].0, &one, "two stages");
}

#[test]
fn a_grid_of_two_pipelines_with_two_stages() {
    for tied in [false, true] {
        let one = on_one(tied, 2, &Device::flex());
        for (replica, _) in on_grid(tied, 1, &[vec![Device::flex(); 2], vec![Device::flex(); 2]], &CUTS) {
            same(&replica, &one, &format!("tied {tied}"));
        }
    }
}

#[test]
fn a_grid_on_logical_devices_of_one_adapter() {
    let Some(opened) = wgpu(4) else { return };
    let devices: Vec<Device> = opened.iter().map(|it| it.device.clone()).collect();
    let one = on_one(true, 2, &devices[0]);
    for (replica, _) in on_grid(true, 1, &[devices[..2].to_vec(), devices[2..].to_vec()], &CUTS) {
        same(&replica, &one, "the grid");
    }
}

#[test]
fn a_stage_on_the_cpu_and_one_on_a_gpu() {
    let Some(opened) = wgpu(1) else { return };
    let one = on_one(true, 4, &Device::flex());
    let gpu = opened[0].device.clone();
    for devices in [[gpu.clone(), Device::flex()], [Device::flex(), gpu]] {
        close(&one, &on_grid(true, 4, &[devices.to_vec()], &CUTS)[0].0, 1e-5);
    }
}

/// Each pipeline's stage updates a part of its parameters.
#[test]
fn a_grid_whose_optimizer_is_sharded() {
    let sharded = ParallelConfig { shard_optimizer: true, ..ParallelConfig::default() };
    for tied in [false, true] {
        let one = on_one(tied, 2, &Device::flex());
        let devices = [vec![Device::flex(); 2], vec![Device::flex(); 2]];
        for (replica, _) in on_grid_with(&sharded, tied, 1, &devices, &CUTS) {
            same(&replica, &one, &format!("tied {tied}"));
        }
    }
}

#[test]
fn a_stage_that_ends_is_told_to_the_others() {
    let [first, last] = links(1, 2, true).try_into().ok().unwrap();
    let settings = ParallelConfig::default();
    let other = thread::spawn(|| drop(stage(true, &CUTS[1], &Device::flex(), last, &ParallelConfig::default())));
    let mut first = stage(true, &CUTS[0], &Device::flex(), first, &settings);
    other.join().unwrap();
    let error = first.step(0, 0, &micro_batches(0, 2), &Ceiling::FINITE).map(drop).unwrap_err();
    assert_eq!(error, CollectiveError::Lost { rank: 1, world: 2 });
}
