//! A model in stages, and a grid of such pipelines.

use std::{ops::Range, thread};

use burn::tensor::Device;
use hearth_model::Transformer;
use hearth_train::{
    guard::Ceiling,
    parallel::{CollectiveError, Exchange, Local, Pipe, Stage},
    walk::Walk,
};

use super::{Outcome, STEPS, TIME, close, config, loss, micro_batches, model, on_one, options, outcome_of, same, wgpu};

const CUTS: [Range<usize>; 2] = [0..2, 2..3];

/// As many pipelines as there are rows in `devices`, with a stage on each of a row's devices and `micro` micro-batches
/// each; what each came to, and how many micro-batches its stages held.
fn on_grid(tied: bool, micro: u64, devices: &[Vec<Device>], cuts: &[Range<usize>]) -> Vec<(Outcome, Vec<usize>)> {
    let pipelines = devices.len();
    let mut lines: Vec<Vec<Exchange>> = (0..pipelines).map(|_| Vec::new()).collect();
    for _ in cuts {
        for (line, rank) in lines.iter_mut().zip(Local::group(pipelines)) {
            line.push(Exchange::new(rank));
        }
    }
    let rows = devices.iter().zip(lines).enumerate();
    let pipelines: Vec<_> = rows
        .map(|(pipeline, (devices, lines))| {
            let places = Pipe::line(cuts.len(), tied).into_iter().zip(lines);
            let threads: Vec<_> = places
                .zip(cuts.iter().cloned().zip(devices.clone()))
                .map(|((pipe, line), (cut, device))| {
                    thread::spawn(move || {
                        let walk = Walk::over(&config(tied), cut, TIME, &device);
                        let mut stage = Stage::new(&model(tied), walk, &options(), pipe).with_replicas(line);
                        let first = pipeline * micro as usize;
                        let losses: Vec<f32> = (0..STEPS)
                            .map(|step| {
                                let all = micro_batches(step, micro * pipelines as u64);
                                let own = &all[first..first + micro as usize];
                                loss(stage.step(step, first, own, &Ceiling::FINITE).unwrap().loss)
                            })
                            .collect();
                        (stage, losses)
                    })
                })
                .collect();
            threads
        })
        .collect();
    let join = |threads: Vec<thread::JoinHandle<(Stage, Vec<f32>)>>| {
        let stages: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let parts = stages.iter().map(|(stage, _)| stage.trainer().model().clone());
        let held = stages.iter().map(|(stage, _)| stage.most_held()).collect();
        (outcome_of(&Transformer::join(parts.collect()), stages[0].1.clone()), held)
    };
    pipelines.into_iter().map(join).collect()
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

#[test]
fn a_stage_that_ends_is_told_to_the_others() {
    let [first, last] = Pipe::line(2, true).try_into().ok().unwrap();
    let walk = Walk::over(&config(true), CUTS[0].clone(), TIME, &Device::flex());
    let mut first = Stage::new(&model(true), walk, &options(), first);
    drop(last);
    let error = first.step(0, 0, &micro_batches(0, 2), &Ceiling::FINITE).map(drop).unwrap_err();
    assert_eq!(error, CollectiveError::Lost { rank: 1, world: 2 });
}
