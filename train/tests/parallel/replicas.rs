//! Replicas of the whole model.

use std::thread;

use burn::tensor::Device;
use hearth_train::{
    config::ParallelConfig,
    guard::Ceiling,
    parallel::{CollectiveError, Exchange, Local, OuterState, Point, Probe, Rank},
};

use super::{Outcome, STEPS, close, loss, micro_batches, on_one, outcome, same, trainer, wgpu};

/// A rank with the whole model.
fn replica(line: Local, device: &Device, tied: bool, settings: &ParallelConfig) -> Rank {
    Rank::replica(trainer(tied, device), Exchange::new(line), settings, OuterState::default()).unwrap()
}

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
                    let mut replica = replica(local, &devices[rank], tied, settings);
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
                    let mut replica =
                        Rank::replica(trainer, Exchange::new(local), &settings, OuterState::default()).unwrap();
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

/// Low-communication training, where each rank has as many of the micro-batches of every batch as `shares` says; what each
/// came to after `steps`.
fn alone(shares: &[usize], steps: u64, settings: &ParallelConfig) -> Vec<Outcome> {
    let parts = shares.iter().sum::<usize>() as u64;
    thread::scope(|scope| {
        let ranks: Vec<_> = Local::group(shares.len())
            .into_iter()
            .enumerate()
            .map(|(rank, local)| {
                scope.spawn(move || {
                    let mut rank_of = replica(local, &Device::flex(), true, settings);
                    let first = shares[..rank].iter().sum::<usize>();
                    let losses = (0..steps).map(|step| {
                        let own = &micro_batches(step, parts)[first..first + shares[rank]];
                        loss(rank_of.step(step, first, own, &Ceiling::FINITE).unwrap().0.loss)
                    });
                    let losses = losses.collect();
                    outcome(rank_of.trainer(), losses)
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

fn averaged(local_steps: u64) -> ParallelConfig {
    ParallelConfig { local_steps, outer_learning_rate: 1.0, outer_momentum: 0.0, ..ParallelConfig::default() }
}

/// All come to the same model, and it learns; with one rank, an outer rate of 1 and no momentum nothing is changed.
#[test]
fn steps_alone_and_their_average() {
    let settings = |quantize| ParallelConfig { local_steps: 5, quantize, ..ParallelConfig::default() };
    for quantize in [false, true] {
        let found = alone(&[1; 3], STEPS, &settings(quantize));
        assert!(found.iter().all(|it| it.parameters == found[0].parameters), "one model");
        assert!(found.iter().all(|it| it.losses[9] < it.losses[0] - 0.2), "{:?}", found[0].losses);
    }
    let [found] = &alone(&[1], STEPS, &averaged(5))[..] else { panic!("one rank") };
    close(&on_one(true, 1, &Device::flex()), found, 1e-6);
}

/// What one trainer comes to that takes micro-batches `first` to `last` of four, in a step by itself.
fn by_itself(first: usize, last: usize) -> Vec<f32> {
    let mut ranks = Local::group(1).into_iter();
    let mut rank = replica(ranks.next().unwrap(), &Device::flex(), true, &averaged(1));
    rank.step(0, first, &micro_batches(0, 4)[first..last], &Ceiling::FINITE).unwrap();
    outcome(rank.trainer(), Vec::new()).parameters
}

/// A rank with three of four micro-batches weighs three times as much. Each has dropout masks of its own, those of its
/// micro-batches' places in the global batch: with the first ones' the other's change would be another.
#[test]
fn an_average_weighs_ranks_by_what_they_trained_on() {
    let [large, small] = [by_itself(0, 3), by_itself(3, 4)];
    let found = alone(&[3, 1], 1, &averaged(1));
    for ((large, small), found) in large.iter().zip(&small).zip(&found[0].parameters) {
        let expected = 0.75 * large + 0.25 * small;
        assert!((found - expected).abs() <= 1e-6, "{found} is not {expected} of {large} and {small}");
    }
    let mut masks = Local::group(1).into_iter();
    let mut of_the_first = replica(masks.next().unwrap(), &Device::flex(), true, &averaged(1));
    of_the_first.step(0, 0, &micro_batches(0, 4)[3..], &Ceiling::FINITE).unwrap();
    assert_ne!(outcome(of_the_first.trainer(), Vec::new()).parameters, small, "masks by the micro-batch's number");
}

/// With steps alone a rank's update is guarded as everywhere.
#[test]
fn a_ceiling_holds_in_steps_alone() {
    let low = Ceiling { loss: 1e-3, grad_norm: 1e-3 };
    let mut ranks = Local::group(1).into_iter();
    let mut rank = replica(ranks.next().unwrap(), &Device::flex(), true, &averaged(5));
    let before = outcome(rank.trainer(), Vec::new());
    rank.step(0, 0, &micro_batches(0, 1), &low).unwrap();
    same(&outcome(rank.trainer(), Vec::new()), &before, "after a spike");
}

#[test]
fn a_rank_that_ends_is_told_to_the_others_and_nothing_is_updated() {
    let mut ranks = Local::group(2).into_iter();
    let [first, second] = [(); 2].map(|()| ranks.next().unwrap());
    let settings = ParallelConfig::default();
    let other = thread::spawn(|| drop(replica(second, &Device::flex(), true, &ParallelConfig::default())));
    let mut first = replica(first, &Device::flex(), true, &settings);
    let before = outcome(first.trainer(), Vec::new());
    other.join().unwrap();
    let error = first.step(0, 0, &micro_batches(0, 2)[..1], &Ceiling::FINITE).map(drop).unwrap_err();
    assert_eq!(error, CollectiveError::Lost { rank: 1, world: 2 });
    same(&outcome(first.trainer(), Vec::new()), &before, "after the loss");
}

/// Rank 1's device is lost in step 1: it names itself, and the other misses it.
#[test]
fn a_device_that_is_lost_is_named_by_its_rank() {
    let errors: Vec<CollectiveError> = thread::scope(|scope| {
        let ranks: Vec<_> = Local::group(2)
            .into_iter()
            .enumerate()
            .map(|(rank, local)| {
                scope.spawn(move || {
                    let probe = (rank == 1).then(|| Probe::lose_device(1, Point::Begin));
                    let replica = replica(local, &Device::flex(), true, &ParallelConfig::default());
                    let mut replica = replica.with_probe(probe);
                    let mut step = |step| {
                        let own = &micro_batches(step, 2)[rank..=rank];
                        replica.step(step, rank, own, &Ceiling::FINITE).map(drop)
                    };
                    step(0).unwrap();
                    step(1).unwrap_err()
                })
            })
            .collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    assert_eq!(errors[0], CollectiveError::Lost { rank: 1, world: 2 });
    assert!(
        matches!(&errors[1], CollectiveError::Device { rank: 1, reason } if reason.contains("poisoned")),
        "{errors:?}"
    );
}
