//! Replicas of the whole model.

use std::thread;

use burn::tensor::Device;
use hearth_train::{
    config::ParallelConfig,
    guard::Ceiling,
    parallel::{CollectiveError, Exchange, Local, Replica},
};

use super::{Outcome, STEPS, close, loss, micro_batches, on_one, outcome, same, trainer, wgpu};

/// Replicas, each with one micro-batch.
fn alike(tied: bool, devices: &[Device], settings: &ParallelConfig) -> Vec<Outcome> {
    on_several(tied, devices.len() as u64, &vec![1; devices.len()], devices, settings)
}

/// A replica on each device, with as many micro-batches of the `parts` as `shares` says.
fn on_several(tied: bool, parts: u64, shares: &[usize], devices: &[Device], settings: &ParallelConfig) -> Vec<Outcome> {
    thread::scope(|scope| {
        let ranks: Vec<_> = Local::group(devices.len())
            .into_iter()
            .enumerate()
            .map(|(rank, local)| {
                scope.spawn(move || {
                    let trainer = trainer(tied, &devices[rank]);
                    let mut replica = Replica::new(trainer, Exchange::new(local), settings).unwrap();
                    let first = shares[..rank].iter().sum::<usize>();
                    let losses = (0..STEPS).map(|step| {
                        let all = micro_batches(step, parts);
                        let own = &all[first..first + shares[rank]];
                        let (outcome, _) = replica.step(step, first, own, &Ceiling::FINITE).unwrap();
                        loss(outcome.loss)
                    });
                    let losses = losses.collect();
                    outcome(replica.trainer(), losses)
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn sharded() -> ParallelConfig {
    ParallelConfig { shard_optimizer: true, ..ParallelConfig::default() }
}

#[test]
fn two_and_four_on_the_cpu() {
    for tied in [false, true] {
        for world in [2, 4] {
            let one = on_one(tied, world, &Device::flex());
            assert!(one.losses[9] < one.losses[0] - 0.2, "it learns: {:?}", one.losses);
            for settings in [ParallelConfig::default(), sharded()] {
                for replica in alike(tied, &vec![Device::flex(); world as usize], &settings) {
                    same(&replica, &one, &format!("{settings:?}"));
                }
            }
        }
    }
}

#[test]
fn two_and_four_logical_devices_of_one_adapter() {
    for (world, settings) in [(2, ParallelConfig::default()), (4, ParallelConfig::default()), (2, sharded())] {
        let Some(opened) = wgpu(world) else { return };
        let devices: Vec<Device> = opened.iter().map(|it| it.device.clone()).collect();
        let one = on_one(true, world as u64, &devices[0]);
        for replica in alike(true, &devices, &settings) {
            same(&replica, &one, &format!("{settings:?}"));
        }
    }
}

/// Unequal shares: three of four micro-batches on one, one on the other.
#[test]
fn wgpu_and_the_cpu_together() {
    let Some(opened) = wgpu(1) else { return };
    let one = on_one(true, 4, &Device::flex());
    let devices = [opened[0].device.clone(), Device::flex()];
    for replica in on_several(true, 4, &[1, 3], &devices, &ParallelConfig::default()) {
        close(&one, &replica, 1e-5);
    }
}

/// All begin with the first one's weights and moments, whatever they had.
#[test]
fn the_first_ones_state_is_everyones() {
    let found: Vec<Outcome> = thread::scope(|scope| {
        let ranks: Vec<_> = Local::group(2)
            .into_iter()
            .enumerate()
            .map(|(rank, local)| {
                scope.spawn(move || {
                    let mut trainer = trainer(true, &Device::flex());
                    for step in 0..=rank as u64 {
                        trainer.step(step, &micro_batches(step, 1), &Ceiling::FINITE);
                    }
                    let settings = ParallelConfig::default();
                    let mut replica = Replica::new(trainer, Exchange::new(local), &settings).unwrap();
                    replica.step(1, rank, &micro_batches(1, 2)[rank..=rank], &Ceiling::FINITE).unwrap();
                    outcome(replica.trainer(), Vec::new())
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    let mut one = trainer(true, &Device::flex());
    one.step(0, &micro_batches(0, 1), &Ceiling::FINITE);
    one.step(1, &micro_batches(1, 2), &Ceiling::FINITE);
    let one = outcome(&one, Vec::new());
    found.iter().for_each(|rank| same(rank, &one, "alone"));
}

/// Low-communication training of `world` ranks, each with its own part of every batch; what each came to.
fn alone(world: usize, settings: &ParallelConfig) -> Vec<Outcome> {
    thread::scope(|scope| {
        let ranks: Vec<_> = Local::group(world)
            .into_iter()
            .enumerate()
            .map(|(rank, local)| {
                scope.spawn(move || {
                    let trainer = trainer(true, &Device::flex());
                    let mut replica = Replica::new(trainer, Exchange::new(local), settings).unwrap();
                    let losses = (0..STEPS).map(|step| {
                        let own = &micro_batches(step, world as u64)[rank..=rank];
                        let outcome = replica.step_alone(step, own);
                        if (step + 1).is_multiple_of(settings.local_steps) {
                            replica.average().unwrap();
                        }
                        loss(outcome.loss)
                    });
                    let losses = losses.collect();
                    outcome(replica.trainer(), losses)
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// All come to the same model, and it learns; with one rank, an outer rate of 1 and no momentum nothing is changed.
#[test]
fn steps_alone_and_their_average() {
    let settings = |quantize| ParallelConfig { local_steps: 5, quantize, ..ParallelConfig::default() };
    for quantize in [false, true] {
        let found = alone(3, &settings(quantize));
        assert!(found.iter().all(|it| it.parameters == found[0].parameters), "one model");
        assert!(found.iter().all(|it| it.losses[9] < it.losses[0] - 0.2), "{:?}", found[0].losses);
    }
    let plain = ParallelConfig { outer_learning_rate: 1.0, outer_momentum: 0.0, ..settings(false) };
    let [found] = &alone(1, &plain)[..] else { panic!("one rank") };
    close(&on_one(true, 1, &Device::flex()), found, 1e-6);
}

#[test]
fn a_rank_that_ends_is_told_to_the_others_and_nothing_is_updated() {
    let mut ranks = Local::group(2).into_iter();
    let [first, second] = [(); 2].map(|()| Exchange::new(ranks.next().unwrap()));
    let other =
        thread::spawn(|| drop(Replica::new(trainer(true, &Device::flex()), second, &ParallelConfig::default())));
    let mut replica = Replica::new(trainer(true, &Device::flex()), first, &ParallelConfig::default()).unwrap();
    let before = outcome(replica.trainer(), Vec::new());
    other.join().unwrap();
    let error = replica.step(0, 0, &micro_batches(0, 2)[..1], &Ceiling::FINITE).map(drop).unwrap_err();
    assert_eq!(error, CollectiveError::Lost { rank: 1, world: 2 });
    same(&outcome(replica.trainer(), Vec::new()), &before, "after the loss");
}
