//! What each of several devices takes.

use std::thread;

use burn::tensor::Device;
use hearth_model::CrossEntropy;
use hearth_train::{
    TrainConfig,
    checkpoint::KernelChoices,
    config::ParallelConfig,
    devices::{OpenDevice, PinnedKernels},
    guard::Ceiling,
    optim::OptimizerConfig,
    parallel::{Exchange, Links, Local, OuterState, Pipe, Rank},
    plan::{Cut, Extent, Planner, Rates, Subject, Usage, experts_plan},
    step::Trainer,
    walk::{Policy, Walk},
};
use hearth_wgsl::Kernel;

use super::{MIB, TransformerConfig, alone, batch, beside, gpt2, open, options, reserved, tidy, trainer};

const MICRO_BATCHES: usize = 2;
const STEPS: u64 = 3;
const STAGES: [std::ops::Range<usize>; 2] = [0..4, 4..6];

/// One device, two replicas, the same with the optimizer's state dealt out, and two pipelines of two stages: within a tenth for
/// each device.
#[test]
fn several_devices_take_what_was_predicted() {
    let Some(_turn) = beside() else { return };
    compare(5, |model, devices| {
        grid(model, &devices[1..5]);
        replicas(model, &devices[1..3], &sharded(), check);
        replicas(model, &devices[3..5], &ParallelConfig::default(), check);
    });
}

/// Experts on two devices: within 5 % on both.
#[test]
#[ignore = "slow: .ci/slow runs it"]
fn experts_take_what_was_predicted() {
    let Some(_turn) = beside() else { return };
    let text = "[data]\ntext = \"none\"\n[model]\npreset = \"gpt2\"\nlayers = 8\nwidth = 256\nheads = 8\ncontext_length = 128\n\
                vocab_size = 8192\nexperts = 8\nexpert_width = 256\n[batch]\nmicro_batch = 8\n[limits]\nsteps = 3\n";
    let devices = [open(), open()];
    let limits = [&devices[0].limits, &devices[1].limits];
    for (policy, mlp) in [("keep", "gelu"), ("recompute", "gelu"), ("keep", "swiglu")] {
        let settings = [format!("memory.policy={policy}"), format!("model.mlp={mlp}")];
        let config = TrainConfig::parse(text, "test", &settings).unwrap();
        let (choice, taken) = experts_plan(&config, &limits, &Rates::default(), None).unwrap();
        let mut walk = Walk::new(&config.model, 128, &devices[0].device);
        (walk.policy, walk.loss.chunk) = (choice.plan.cut.policy.clone(), choice.plan.cut.logits_chunk);
        walk.expert_devices = devices.iter().map(|open| open.device.clone()).collect();
        let mut trainer = Trainer::new(config.model.init(1, &Device::flex()).unwrap(), walk, options());
        for step in 0..3 {
            devices.iter().for_each(|open| tidy(&open.device));
            let micro = batch(&config.model, choice.plan.cut.micro_batch, 0);
            trainer.step(step, &vec![micro; choice.plan.cut.accumulation], &Ceiling::FINITE).loss.into_data();
        }
        let predicted = [choice.plan.peak_bytes(), taken[0]].map(|bytes| bytes as f64 / MIB);
        let measured = [0, 1].map(|at: usize| reserved(&devices[at].device));
        eprintln!("experts, {policy}, {mlp}: predicted {predicted:.1?} MiB, measured {measured:.1?} MiB");
        for (predicted, measured) in predicted.iter().zip(measured) {
            assert!((measured / predicted - 1.0).abs() <= 0.05, "{policy}, {mlp}: {predicted} and {measured} MiB");
        }
    }
}

/// A pipeline alone.
#[test]
#[ignore = "slow: .ci/slow runs it"]
fn two_stages_take_what_was_predicted() {
    let Some(_turn) = beside() else { return };
    compare(3, |model, devices| grid(model, &devices[1..3]));
}

/// Runs a model on `count` devices. The first one chooses kernels for all: each would compile every candidate again.
fn compare(count: usize, run: impl Fn(&TransformerConfig, &[OpenDevice])) {
    let folder = tempfile::tempdir().unwrap();
    let model = gpt2(6, 256, 128, 2048);
    let devices: Vec<OpenDevice> = (0..count).map(|_| open()).collect();
    let path = folder.path().join("kernels.db");
    let pin = |devices: &[OpenDevice], choices: &KernelChoices| PinnedKernels::new(devices, path.clone(), choices);
    let pinned = pin(&devices[..1], &KernelChoices::default());
    one(&model, &devices[0]);
    let choices = pinned.choices();
    drop(pinned);
    let _pinned = pin(&devices, &choices);
    run(&model, &devices);
}

/// Plain operations put results where they find room: not in a gradient of which they were given a part.
#[test]
#[ignore = "slow: .ci/slow runs it"]
fn without_kernels_a_rank_holds_its_own_moments_alone() {
    let Some(_turn) = alone() else { return };
    Kernel::ALL.iter().for_each(|kernel| kernel.switch(false));
    let devices = [open(), open()];
    replicas(&gpt2(1, 128, 32, 512), &devices, &sharded(), held);
}

fn sharded() -> ParallelConfig {
    ParallelConfig { shard_optimizer: true, ..ParallelConfig::default() }
}

fn one(model: &TransformerConfig, device: &OpenDevice) {
    let mut trainer = trainer(model, OptimizerConfig::default(), &cut(model, model.layers), &device.device);
    for step in 0..STEPS {
        tidy(&device.device);
        trainer.step(step, &vec![batch(model, 1, 0); MICRO_BATCHES], &Ceiling::FINITE).loss.into_data();
    }
    check("one device", 0, device, model, model.layers, &Extent::WHOLE);
}

fn replicas(model: &TransformerConfig, devices: &[OpenDevice], settings: &ParallelConfig, check: Check) {
    let world = devices.len();
    let extent = Extent::replica(world, settings.shard_optimizer);
    let name = if settings.shard_optimizer { "replica, sharded" } else { "replica" };
    thread::scope(|scope| {
        for (rank, (device, line)) in devices.iter().zip(Local::group(world)).enumerate() {
            scope.spawn(move || {
                // Of what was there before.
                tidy(&device.device);
                let trainer = trainer(model, OptimizerConfig::default(), &cut(model, model.layers), &device.device);
                let mut replica = Rank::replica(trainer, Exchange::new(line), settings, OuterState::default()).unwrap();
                for step in 0..STEPS {
                    tidy(&device.device);
                    let own = vec![batch(model, 1, rank); MICRO_BATCHES];
                    replica.step(step, rank * MICRO_BATCHES, &own, &Ceiling::FINITE).unwrap().0.loss.into_data();
                }
                check(name, rank, device, model, model.layers, &extent);
            });
        }
    });
}

/// As many pipelines of two stages as there are devices for.
fn grid(model: &TransformerConfig, devices: &[OpenDevice]) {
    let pipelines = devices.len() / STAGES.len();
    devices.iter().for_each(|device| tidy(&device.device));
    let mut lines = STAGES.map(|_| Local::group(pipelines).into_iter());
    let mut world = Local::group(devices.len()).into_iter();
    thread::scope(|scope| {
        for (pipeline, devices) in devices.chunks(STAGES.len()).enumerate() {
            let places = Pipe::pipeline(STAGES.len(), model.tied).into_iter().zip(&mut lines).zip(devices);
            for (number, ((pipe, line), device)) in places.enumerate() {
                let replicas = Exchange::new(line.next().unwrap());
                let pipe = if pipelines > 1 { pipe.with_replicas(replicas) } else { pipe };
                let links = Links { line: Exchange::new(world.next().unwrap()), pipe: Some(pipe) };
                scope.spawn(move || {
                    let mut walk = Walk::over(model, STAGES[number].clone(), model.context_length, &device.device);
                    walk.loss.chunk = CrossEntropy::of(model).chunk;
                    let on_host = Walk::new(model, model.context_length, &Device::flex());
                    let whole = Trainer::new(model.init(1, &Device::flex()).unwrap(), on_host, options());
                    let mut stage = Rank::stage(whole, walk, links, &ParallelConfig::default()).unwrap();
                    for step in 0..STEPS {
                        tidy(&device.device);
                        let own = vec![batch(model, 1, pipeline); MICRO_BATCHES];
                        let first = pipeline * MICRO_BATCHES;
                        stage.step(step, first, &own, &Ceiling::FINITE).unwrap().0.loss.into_data();
                    }
                    // 1F1B: the first has two micro-batches in flight, the last one.
                    assert_eq!(stage.pipe().unwrap().most_in_flight(), STAGES.len() - number);
                    let extent = Extent::stage(number, STAGES.len(), pipelines, MICRO_BATCHES);
                    let name = format!("stage {number} of pipeline {pipeline} of {pipelines}");
                    check(&name, number, device, model, STAGES[number].len(), &extent);
                });
            }
        }
    });
}

fn cut(model: &TransformerConfig, layers: usize) -> Cut {
    let logits_chunk = CrossEntropy::of(model).chunk;
    Cut::new(1, MICRO_BATCHES, logits_chunk, Policy::keep(layers))
}

/// A look at a device that has so many blocks and this extent of a model, after a step: its name, its number, and those.
type Check = fn(&str, usize, &OpenDevice, &TransformerConfig, usize, &Extent);

/// Compares what the device has reserved, and what it still holds, with what was planned.
fn check(name: &str, rank: usize, device: &OpenDevice, model: &TransformerConfig, layers: usize, extent: &Extent) {
    held(name, rank, device, model, layers, extent);
    let predicted = usage(device, model, layers, extent).total() as f64 / MIB;
    within_a_tenth(&format!("{name}, {rank}"), predicted, reserved(&device.device));
}

/// Compares what the device holds with the parameters and moments that were planned.
fn held(name: &str, rank: usize, device: &OpenDevice, model: &TransformerConfig, layers: usize, extent: &Extent) {
    device.device.sync().unwrap();
    let planned = usage(device, model, layers, extent);
    let predicted = (planned.parameters + planned.optimizer) as f64 / MIB;
    let measured = device.device.memory_pool_usage().unwrap().bytes_in_use as f64 / MIB;
    within_a_tenth(&format!("{name}, {rank}, after the step"), predicted, measured);
}

fn usage(device: &OpenDevice, model: &TransformerConfig, layers: usize, extent: &Extent) -> Usage {
    let optimizer = OptimizerConfig::default();
    let subject = Subject::new(model, &optimizer, model.context_length).with(0..layers, *extent);
    Planner::new(subject, &device.limits, &Rates::default()).plan(cut(model, layers)).peak.usage
}

fn within_a_tenth(what: &str, predicted: f64, measured: f64) {
    eprintln!("{what}: predicted {predicted:.1} MiB, measured {measured:.1} MiB");
    assert!((predicted / measured - 1.0).abs() <= 0.1, "{what}: predicted {predicted:.1}, measured {measured:.1} MiB");
}
