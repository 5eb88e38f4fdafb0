//! Runs on several devices, and what comes of it when one of them is lost.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use hearth_train::{
    TrainConfig, TrainError,
    devices::{DeviceChoice, OpenDevice, open},
    parallel::{Point, Probe},
    run::{InjectedFaults, Run, RunSummary, Start},
    session::DeviceSummary,
};

use super::{checkpoint, folder, losses, state_of, turn_on_wgpu};

/// Trains on the CPU and `others`; without dropout, whose masks go by micro-batch.
fn run(
    folder: &Path,
    name: &str,
    others: Vec<OpenDevice>,
    begin: Start,
    faults: Option<InjectedFaults>,
) -> Result<RunSummary, TrainError> {
    run_with(folder, name, others, begin, faults, &[])
}

pub fn run_with(
    folder: &Path,
    name: &str,
    others: Vec<OpenDevice>,
    begin: Start,
    faults: Option<InjectedFaults>,
    more: &[&str],
) -> Result<RunSummary, TrainError> {
    let settings = ["model.dropout=0.0", "batch.accumulation=4", "checkpoint.every=5"];
    let settings: Vec<String> = settings.iter().chain(more).map(ToString::to_string).collect();
    let config = TrainConfig::read(&folder.join("config.toml"), &settings)?;
    let cpu = open(DeviceChoice::Cpu)?;
    Run::new(config, cpu, folder.join(name)).others(others).begin(begin).faults(faults).go()
}

/// So many more CPUs, which are one.
pub fn cpus(count: usize) -> Vec<OpenDevice> {
    (0..count).map(|_| open(DeviceChoice::Cpu).unwrap()).collect()
}

pub fn close(found: &Path, expected: &Path) {
    let (found, expected) = (losses(found), losses(expected));
    assert!(found.keys().eq(expected.keys()), "{found:?}");
    for (step, expected) in expected {
        assert!((found[&step] - expected).abs() <= 1e-5 * expected, "step {step}: {} is not {expected}", found[&step]);
    }
}

#[test]
fn the_cpu_and_a_gpu_have_the_curve_of_the_cpu() {
    let Some(_turn) = turn_on_wgpu() else { return };
    let folder = folder();
    run(folder.path(), "one", vec![], Start::New, None).unwrap();
    let gpu = open(DeviceChoice::Wgpu(None)).unwrap();
    run(folder.path(), "two", vec![gpu], Start::New, None).unwrap();
    close(&folder.path().join("two"), &folder.path().join("one"));
}

/// Experts on two CPUs, which are one, then on three, and all the time on one: the same bits, for no gradient is clipped.
#[test]
fn experts_on_several_devices_go_on_with_others() {
    let folder = folder();
    let experts = ["model.experts=4", "optimizer.rule=muon", "optimizer.clip_norm=0.0", "parallel.experts=true"];
    run_with(folder.path(), "one", vec![], Start::New, None, &experts).unwrap();
    // The norms that the guard remembers are summed device by device.
    let bits = |path: &Path| {
        let (parameters, moments, _) = state_of(&checkpoint(path, 20));
        (parameters, moments)
    };
    let path = folder.path().join("two");
    let half = [&experts[..], &["limits.steps=10"]].concat();
    run_with(folder.path(), "two", cpus(1), Start::New, None, &half).unwrap();
    run_with(folder.path(), "two", cpus(2), Start::Resume(path.clone()), None, &experts).unwrap();
    assert!(bits(&path) == bits(&folder.path().join("one")));

    let refused = |more: &[&str]| {
        let settings = [&experts[..], more].concat();
        run_with(folder.path(), "refused", cpus(1), Start::New, None, &settings).unwrap_err().to_string()
    };
    for (setting, told) in [
        (
            "model.experts=0",
            "parallel.experts: the model has no experts to deal out: set model.experts, or leave it out",
        ),
        ("parallel.stages=2", "leave out parallel.stages = 2"),
        ("memory={policy='offload',parameters='host'}", "experts stay on their devices"),
    ] {
        let error = refused(&[setting]);
        assert!(error.contains(told) && !error.contains('\n'), "{error}");
    }
}

/// With the shares and the kernels of the run that was cut off, on logical devices opened anew.
#[test]
fn several_devices_resume_to_the_bit() {
    let Some(_turn) = turn_on_wgpu() else { return };
    let (cpu, wgpu) = (DeviceChoice::Cpu, DeviceChoice::Wgpu(None));
    for (name, devices, stages) in
        [("alike", &[wgpu, wgpu][..], 1), ("unlike", &[cpu, wgpu], 1), ("unlike pipelines", &[cpu, cpu, wgpu, wgpu], 2)]
    {
        let folder = folder();
        let settings = ["batch.accumulation=4", "checkpoint.every=5", &format!("parallel.stages={stages}")];
        let config = TrainConfig::read(&folder.path().join("config.toml"), &settings.map(String::from)).unwrap();
        let run = |begin| {
            let mut devices = devices.iter().map(|choice| open(*choice).unwrap());
            let run = Run::new(config.clone(), devices.next().unwrap(), folder.path().join("run"));
            run.others(devices.collect()).begin(begin).go().unwrap()
        };
        run(Start::New);
        let last = checkpoint(&folder.path().join("run"), 20);
        let whole = state_of(&last);
        std::fs::remove_dir_all(&last).unwrap();
        run(Start::Auto);
        assert!(state_of(&last) == whole, "{name}");
    }
}

/// The run ends with the checkpoint before the loss, and goes on from there with the devices that are left.
#[test]
fn a_run_that_loses_one_device_goes_on_without_it() {
    let Some(_turn) = turn_on_wgpu() else { return };
    let folder = folder();
    run(folder.path(), "whole", vec![], Start::New, None).unwrap();
    let gpu = open(DeviceChoice::Wgpu(None)).unwrap();
    let (name, lost) = (gpu.name.clone(), gpu.clone());
    let lose: InjectedFaults = Box::new(move |step| {
        if step == 12 {
            lost.lose();
        }
        None
    });
    let error = run(folder.path(), "cut", vec![gpu], Start::New, Some(lose)).unwrap_err().to_string();
    assert!(error.starts_with(&name) && error.ends_with("--resume auto goes on, also with other devices"), "{error}");
    assert!(checkpoint(&folder.path().join("cut"), 10).exists());
    let summary = run(folder.path(), "cut", vec![], Start::Auto, None).unwrap();
    assert_eq!(summary.steps, 20);
    close(&folder.path().join("cut"), &folder.path().join("whole"));
}

/// As asked: back to the checkpoint of step 10, and on with what is left.
#[test]
fn a_run_that_is_asked_to_goes_on_with_the_devices_that_are_left() {
    let Some(_turn) = turn_on_wgpu() else { return };
    let folder = folder();
    run(folder.path(), "whole", vec![], Start::New, None).unwrap();
    for left in [0, 1] {
        let gpu = open(DeviceChoice::Wgpu(None)).unwrap();
        let lost = gpu.clone();
        let lose: InjectedFaults = Box::new(move |step| {
            if step == 12 {
                lost.lose();
            }
            None
        });
        let (name, settings) = (format!("left-{left}"), ["parallel.on_loss=continue"]);
        let others = [vec![gpu], cpus(left)].concat();
        let summary = run_with(folder.path(), &name, others, Start::New, Some(lose), &settings).unwrap();
        assert_eq!((summary.steps, summary.devices.len()), (20, if left == 0 { 0 } else { 2 }));
        close(&folder.path().join(name), &folder.path().join("whole"));
    }
}

/// Their gradients leave as all others do: the bits of devices that keep their parameters, on replicas, sharded or not, and on
/// stages; and a run goes on.
#[test]
fn parameters_in_host_memory_of_several_devices() {
    let folder = folder();
    let (host, fixed) = (["memory.policy=recompute", "memory.parameters=host"], "parallel.rebalance=0");
    let at = |name: &str| checkpoint(&folder.path().join(name), 20);
    for (name, devices, settings) in [
        ("replicas", 2, &[][..]),
        ("sharded", 2, &["parallel.shard_optimizer=true"]),
        ("stages", 2, &["parallel.stages=2"]),
        ("grid", 4, &["parallel.stages=2"]),
        ("alone", 2, &["parallel.local_steps=5"]),
    ] {
        let on_device = [&["memory.policy=recompute", fixed], settings].concat();
        let on_host = [&host[..], &[fixed], settings].concat();
        run_with(folder.path(), name, cpus(devices - 1), Start::New, None, &on_device).unwrap();
        let name_host = format!("{name}, host");
        let half = [&on_host[..], &["limits.steps=10"]].concat();
        run_with(folder.path(), &name_host, cpus(devices - 1), Start::New, None, &half).unwrap();
        run_with(folder.path(), &name_host, cpus(devices - 1), Start::Auto, None, &on_host).unwrap();
        let [found, expected] = [&name_host, name].map(|name| state_of(&at(name)));
        assert!(found.0 == expected.0 && found.1 == expected.1, "{name}");
    }
}

/// To the bit of the run that was never ended, whose optimizer was not dealt out, on another number of devices close to it.
#[test]
fn a_sharded_optimizer_is_whole_in_checkpoints() {
    let folder = folder();
    let (sharded, fixed) = ("parallel.shard_optimizer=true", "parallel.rebalance=0");
    let at = |name: &str, step| checkpoint(&folder.path().join(name), step);
    run_with(folder.path(), "whole", cpus(1), Start::New, None, &[fixed]).unwrap();
    run_with(folder.path(), "sharded", cpus(1), Start::New, None, &[fixed, sharded]).unwrap();
    assert_eq!(state_of(&at("sharded", 20)).0, state_of(&at("whole", 20)).0);
    assert_eq!(state_of(&at("sharded", 20)).1, state_of(&at("whole", 20)).1);
    run_with(folder.path(), "cut", cpus(1), Start::New, None, &[fixed, sharded, "limits.steps=10"]).unwrap();
    run_with(folder.path(), "cut", cpus(1), Start::Auto, None, &[fixed, sharded]).unwrap();
    assert_eq!(state_of(&at("cut", 20)), state_of(&at("sharded", 20)));
    run_with(folder.path(), "four", cpus(1), Start::New, None, &[fixed, sharded, "limits.steps=10"]).unwrap();
    run_with(folder.path(), "four", cpus(3), Start::Auto, None, &[fixed, sharded]).unwrap();
    close(&folder.path().join("four"), &folder.path().join("whole"));
}

/// A pipeline leaves what one device leaves, to the bit, and goes on from what it left; two of them come close.
#[test]
fn a_model_in_stages_leaves_what_a_whole_one_leaves() {
    let folder = folder();
    let stages = "parallel.stages=2";
    let at = |name: &str, step| checkpoint(&folder.path().join(name), step);
    let same = |one: &str, other: &str| {
        let [one, other] = [one, other].map(|name| state_of(&at(name, 20)));
        assert!(one.0 == other.0 && one.1 == other.1, "{other:?}");
    };
    let alone = run(folder.path(), "one", vec![], Start::New, None).unwrap();
    let summary = run_with(folder.path(), "two", cpus(1), Start::New, None, &[stages]).unwrap();
    same("two", "one");
    assert_eq!(losses(&folder.path().join("two")), losses(&folder.path().join("one")));
    let model = |name: &str| std::fs::read(folder.path().join(name).join("model.safetensors")).unwrap();
    assert!(model("two") == model("one") && summary.val_loss == alone.val_loss);
    let told: Vec<String> = summary.devices.iter().map(ToString::to_string).collect();
    assert!(told.len() == 2 && told.iter().all(|device| device.contains(": 8 sequences a step, ")), "{told:?}");
    let speeds = summary.devices.iter().map(|device| device.figures.map_or(f64::NAN, |of| of.tokens_per_second));
    assert!(speeds.into_iter().all(|speed| speed.is_finite() && speed > 0.0), "{told:?}");
    run_with(folder.path(), "cut", cpus(1), Start::New, None, &[stages, "limits.steps=10"]).unwrap();
    run_with(folder.path(), "cut", cpus(1), Start::Auto, None, &[stages]).unwrap();
    same("cut", "one");
    run_with(folder.path(), "grid", cpus(3), Start::New, None, &[stages]).unwrap();
    close(&folder.path().join("grid"), &folder.path().join("one"));
}

/// Replicas and stages have the averages of one device: in checkpoints, in evaluations and in the model that they come to.
#[test]
fn averages_are_those_of_one_device() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let averaged = ["optimizer.average=0.9", "model.tied=false"];
    let one = run_with(&at(""), "one", vec![], Start::New, None, &averaged).unwrap();
    let plain = run_with(&at(""), "plain", vec![], Start::New, None, &averaged[1..]).unwrap();
    assert_eq!(losses(&at("one")), losses(&at("plain")));
    assert_ne!(one.val_loss, plain.val_loss);
    let model = |name: &str| std::fs::read(at(name).join("model.safetensors")).unwrap();
    for (name, setting) in [("replicas", "parallel.rebalance=0"), ("stages", "parallel.stages=2")] {
        let run = |begin, more: &[&str]| {
            run_with(&at(""), name, cpus(1), begin, None, &[&averaged[..], &[setting], more].concat()).unwrap()
        };
        run(Start::New, &["limits.steps=10"]);
        assert!(model(name) != model("one"));
        let two = run(Start::Auto, &[]);
        close(&at(name), &at("one"));
        let [found, expected] = [&two, &one].map(|run| run.val_loss.unwrap());
        assert!((found - expected).abs() < 1e-5, "{name}: {found} is not {expected}");
        if name == "stages" {
            let [found, expected] = [name, "one"].map(|name| state_of(&checkpoint(&at(name), 20)));
            assert!(found.0 == expected.0 && found.1 == expected.1 && model(name) == model("one"));
        }
    }
}

/// Two to eight sequences a step, over twelve steps: the same batches on one device, on two and in stages, and again from the middle.
#[test]
fn batches_grow_alike_on_every_number_of_devices() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let growing = ["batch.warmup_steps=12", "parallel.rebalance=0"];
    let one = run_with(&at(""), "one", vec![], Start::New, None, &growing).unwrap();
    // Of 32 tokens: four steps each of 2, 4 and 6 sequences, and then eight of 8.
    assert_eq!(one.tokens, 32 * (4 * (2 + 4 + 6) + 8 * 8));
    for (name, setting) in [("replicas", "parallel.stages=1"), ("stages", "parallel.stages=2")] {
        let go = |begin, more: &[&str]| {
            run_with(&at(""), name, cpus(1), begin, None, &[&growing[..], &[setting], more].concat()).unwrap()
        };
        let whole = go(Start::New, &[]);
        close(&at(name), &at("one"));
        assert_eq!(whole.tokens, one.tokens);
        let last = checkpoint(&at(name), 20);
        let expected = state_of(&last);
        [20, 15, 10].into_iter().for_each(|step| std::fs::remove_dir_all(checkpoint(&at(name), step)).unwrap());
        go(Start::Auto, &[]);
        assert!(state_of(&last) == expected, "{name}");
        if name == "stages" {
            let alone = state_of(&checkpoint(&at("one"), 20));
            assert!(alone.0 == expected.0 && alone.1 == expected.1);
        }
    }
    let refused = run_with(&at(""), "three", cpus(2), Start::New, None, &growing).unwrap_err().to_string();
    assert!(refused.contains("batch.warmup_from = 0: the first step has 2 sequences for 3 devices"), "{refused}");
}

/// Two pipelines whose stages share the optimizer's state: the bits of two that do not, and whole in checkpoints.
#[test]
fn an_optimizer_that_is_sharded_over_pipelines_is_whole_in_checkpoints() {
    let folder = folder();
    let (stages, sharded) = ("parallel.stages=2", "parallel.shard_optimizer=true");
    let at = |name: &str| checkpoint(&folder.path().join(name), 20);
    // Muon's matrices are not cut.
    let rule = "optimizer.rule=muon";
    run_with(folder.path(), "whole", cpus(3), Start::New, None, &[stages, rule]).unwrap();
    run_with(folder.path(), "sharded", cpus(3), Start::New, None, &[stages, rule, sharded]).unwrap();
    assert!(state_of(&at("sharded")) == state_of(&at("whole")));
    run_with(folder.path(), "cut", cpus(3), Start::New, None, &[stages, rule, sharded, "limits.steps=10"]).unwrap();
    run_with(folder.path(), "cut", cpus(3), Start::Auto, None, &[stages, rule, sharded]).unwrap();
    assert!(state_of(&at("cut")) == state_of(&at("whole")));
}

/// Where they were, though their devices are as fast as one another.
#[test]
fn a_run_that_goes_on_leaves_blocks_on_their_stages() {
    let folder = folder();
    let stages = ["model.layers=4", "parallel.stages=2"];
    let given = [&stages[..], &["parallel.blocks=[1, 3]", "limits.steps=10"]].concat();
    run_with(folder.path(), "run", cpus(1), Start::New, None, &given).unwrap();
    run_with(folder.path(), "run", cpus(1), Start::Auto, None, &stages).unwrap();
    let (_, _, numbers) = state_of(&checkpoint(&folder.path().join("run"), 20));
    assert_eq!(numbers["blocks"], serde_json::json!([1, 3]));
}

/// That is what stages are for.
#[test]
fn a_model_too_large_for_one_device_trains_on_two() {
    let folder = folder();
    let train = |name: &str, others: usize, stages: usize, budget: u64| {
        let settings = [format!("memory.budget_mib={budget}"), format!("parallel.stages={stages}")];
        let settings: Vec<&str> = ["model.width=256", "limits.steps=1", "memory=keep"]
            .into_iter()
            .chain(settings.iter().map(String::as_str))
            .collect();
        run_with(folder.path(), name, cpus(others), Start::New, None, &settings).map_err(|error| error.to_string())
    };
    let told = train("told", 0, 1, 1).unwrap_err();
    let needed: u64 = told.split_once("takes ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
    let error = train("alone", 0, 1, needed - 1).unwrap_err();
    assert!(error.contains(&format!("the policy that is set takes {needed} MiB of {} MiB", needed - 1)), "{error}");
    assert_eq!(train("two", 1, 2, needed - 1).unwrap().steps, 1);
    let error = train("small", 1, 2, 1).unwrap_err();
    assert!(error.contains("stage 1 of 2 (blocks 0 to 0) takes") && !error.contains('\n'), "{error}");
}

/// Its part goes to the other one, and nothing else changes.
#[test]
fn a_straggler_gets_a_smaller_share() {
    let folder = folder();
    run(folder.path(), "alike", vec![], Start::New, None).unwrap();
    let slow = open(DeviceChoice::Cpu).unwrap().with_probe(Probe::slow(4.0));
    let settings = ["parallel.rebalance=4"];
    let summary = run_with(folder.path(), "slow", vec![slow], Start::New, None, &settings).unwrap();
    close(&folder.path().join("slow"), &folder.path().join("alike"));
    let speed = |device: &DeviceSummary| device.figures.map_or(0.0, |of| of.tokens_per_second);
    assert!(summary.devices.iter().all(|device| speed(device) > 0.0), "{:?}", summary.devices);
    let sequences: Vec<usize> = summary.devices.iter().map(|device| device.sequences).collect();
    assert!(sequences[1] <= 3 && sequences.iter().sum::<usize>() == 8, "{sequences:?}");
}

/// Steps alone and an average: it learns, its outer momentum is in the checkpoint, and it goes on.
#[test]
fn low_communication_training_goes_on_from_its_checkpoint() {
    let folder = folder();
    let settings = ["parallel.local_steps=5", "parallel.quantize=true"];
    let more = [settings[0], settings[1], "limits.steps=10"];
    run_with(folder.path(), "run", cpus(1), Start::New, None, &more).unwrap();
    let (_, moments, _) = state_of(&checkpoint(&folder.path().join("run"), 10));
    assert!(String::from_utf8_lossy(&moments).contains("outer.embedding"), "the outer momentum");
    let summary = run_with(folder.path(), "run", cpus(1), Start::Auto, None, &settings).unwrap();
    let losses = losses(&folder.path().join("run"));
    assert!(summary.steps == 20 && summary.train_loss < losses[&0].abs() - 0.3, "{losses:?}");
}

/// Each rank goes on with its own moments: to the bits of the run that was never ended. On other devices all take the first
/// one's.
#[test]
fn ranks_that_train_alone_resume_to_the_bit() {
    let folder = folder();
    let settings = ["parallel.local_steps=5", "model.dropout=0.1"];
    let half = [settings[0], settings[1], "limits.steps=10", "schedule.warmup_steps=0"];
    let at = |name: &str, step| checkpoint(&folder.path().join(name), step);
    let whole = [settings[0], settings[1], "schedule.warmup_steps=0"];
    run_with(folder.path(), "whole", cpus(2), Start::New, None, &whole).unwrap();
    run_with(folder.path(), "cut", cpus(2), Start::New, None, &half).unwrap();
    assert!(state_of(&at("cut", 10)) == state_of(&at("whole", 10)));
    run_with(folder.path(), "cut", cpus(2), Start::Auto, None, &whole).unwrap();
    assert!(state_of(&at("cut", 20)) == state_of(&at("whole", 20)));
    run_with(folder.path(), "other", cpus(2), Start::New, None, &half).unwrap();
    assert_eq!(run_with(folder.path(), "other", cpus(1), Start::Auto, None, &whole).unwrap().steps, 20);
}

/// One sentence each, before a step is taken.
#[test]
fn devices_that_cannot_share_the_work_are_told() {
    let folder = folder();
    let said = |others: usize, settings: &[&str]| {
        run_with(folder.path(), "run", cpus(others), Start::Auto, None, settings).unwrap_err().to_string()
    };
    for (others, settings, expected) in [
        (8, &[][..], "a global batch of 8 rows leaves some of 9 replicas without a row"),
        (2, &["parallel.stages=2"], "parallel.stages = 2: 3 devices make no whole pipelines"),
        (2, &["parallel.stages=3"], "3 stages for a model of 2 blocks"),
        (1, &["parallel.stages=2", "parallel.blocks=[2, 1]"], "they are 3 blocks, and the model has 2"),
        (1, &["parallel.stages=2", "parallel.local_steps=5"], "leave out parallel.local_steps = 5"),
        (1, &["parallel.stages=2", "parallel.on_loss=continue"], "no device that is left has the whole model"),
        (1, &["parallel.local_steps=3"], "checkpoint.every = 5: must be a multiple of parallel.local_steps = 3"),
        (1, &["parallel.outer_momentum=1.0"], "parallel.outer_momentum = 1: must be at least 0 and under 1"),
    ] {
        let error = said(others, settings);
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
}

/// What each of several devices has of a step is of that many; a run goes on with as many as there are, again and again.
#[test]
fn a_run_goes_on_over_changed_numbers_of_devices() {
    let folder = folder();
    run(folder.path(), "whole", vec![], Start::New, None).unwrap();
    // Devices, stages and steps until which they work.
    for (name, parts) in [
        ("two, one, one", &[(2, 1, 5), (1, 1, 10), (1, 1, 20)][..]),
        ("one, two, two", &[(1, 1, 5), (2, 1, 10), (2, 1, 20)]),
        ("two, three, two", &[(2, 1, 5), (3, 1, 10), (2, 1, 15), (2, 1, 20)]),
        ("stages, replicas, stages", &[(2, 2, 5), (2, 1, 10), (4, 2, 15), (2, 2, 20)]),
        ("one, stages, one", &[(1, 1, 5), (2, 2, 10), (1, 1, 20)]),
    ] {
        for (devices, stages, steps) in parts {
            let settings = [format!("parallel.stages={stages}"), format!("limits.steps={steps}")];
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            let run = run_with(folder.path(), name, cpus(devices - 1), Start::Auto, None, &settings);
            assert_eq!(run.unwrap_or_else(|error| panic!("{name}, {steps}: {error}")).steps, *steps, "{name}");
        }
        close(&folder.path().join(name), &folder.path().join("whole"));
    }
}

/// Trains on so many CPUs, of which these are lost at a point of step 12, and fails if that takes over 30 s.
fn lose(
    folder: &Path,
    name: &str,
    count: usize,
    lost: &[(usize, Point)],
    settings: &[&str],
) -> Result<RunSummary, String> {
    let mut devices = cpus(count);
    for (rank, point) in lost {
        devices[*rank] = devices[*rank].clone().with_probe(Probe::lose_device(12, *point));
    }
    for (rank, device) in devices.iter_mut().enumerate() {
        device.name = format!("device {rank}");
    }
    let settings: Vec<String> = ["model.dropout=0.0", "batch.accumulation=4", "checkpoint.every=5"]
        .iter()
        .chain(settings)
        .map(ToString::to_string)
        .collect();
    let config = TrainConfig::read(&folder.join("config.toml"), &settings).unwrap();
    let run = folder.join(name);
    let work = thread::spawn(move || {
        let mut devices = devices.into_iter();
        let first = devices.next().unwrap();
        Run::new(config, first, run).others(devices.collect()).go()
    });
    let start = Instant::now();
    while !work.is_finished() {
        assert!(start.elapsed() < Duration::from_secs(30), "{name} hangs");
        thread::sleep(Duration::from_millis(5));
    }
    work.join().unwrap().map_err(|error| error.to_string())
}

/// Whoever is lost, and wherever in a step: the run ends, and names the device.
#[test]
fn a_lost_member_of_any_team_ends_the_run_by_its_name() {
    let folder = folder();
    let stages = ["parallel.stages=2"];
    for (name, count, rank, point, settings) in [
        ("last stage", 2, 1, Point::Forward, &stages[..]),
        ("last stage, at the end of its walk", 2, 1, Point::Walked, &stages),
        ("grid, last stage", 4, 1, Point::Forward, &stages),
        ("grid, first stage of the other", 4, 2, Point::Begin, &stages),
        ("grid, last stage of the other", 4, 3, Point::Walked, &stages),
        ("replica", 3, 2, Point::Begin, &[]),
        ("replica, reduced", 2, 1, Point::Reduced, &[]),
        ("sharded", 2, 1, Point::Reduced, &["parallel.shard_optimizer=true"]),
        ("local steps", 2, 1, Point::Begin, &["parallel.local_steps=5"]),
    ] {
        let error = lose(folder.path(), name, count, &[(rank, point)], settings).map(|run| run.steps).unwrap_err();
        assert!(error.starts_with(&format!("device {rank}: ")), "{name}: {error}");
        assert!(error.ends_with("--resume auto goes on, also with other devices"), "{name}: {error}");
        assert!(checkpoint(&folder.path().join(name), 10).exists(), "{name}");
    }
}

/// Rank 0's own device is opened again, as without others, wherever in a step it was lost: the curve is that of a run without.
#[test]
fn the_first_device_is_lost_between_forward_and_backward_and_opened_again() {
    let folder = folder();
    run(folder.path(), "whole", vec![], Start::New, None).unwrap();
    for (name, count, point, settings) in [
        ("stages", 2, Point::Forward, &["parallel.stages=2"][..]),
        ("grid", 4, Point::Forward, &["parallel.stages=2"]),
        ("grid, walked", 4, Point::Walked, &["parallel.stages=2"]),
        ("replicas", 2, Point::Begin, &[]),
        ("sharded", 2, Point::Begin, &["parallel.shard_optimizer=true"]),
    ] {
        assert_eq!(lose(folder.path(), name, count, &[(0, point)], settings).unwrap().steps, 20, "{name}");
        close(&folder.path().join(name), &folder.path().join("whole"));
        let never = [settings, &["guard.device_losses=0"]].concat();
        let error = lose(folder.path(), &format!("{name}, never again"), count, &[(0, point)], &never).unwrap_err();
        assert!(
            error.starts_with("the device was lost: ") && error.contains("; checkpoints are whole"),
            "{name}: {error}"
        );
    }
}

/// As asked: on with those that are left, of which one more is lost.
#[test]
fn a_run_goes_on_without_what_it_loses() {
    let folder = folder();
    run(folder.path(), "whole", vec![], Start::New, None).unwrap();
    let lost = [(1, Point::Begin), (2, Point::Walked)];
    let summary = lose(folder.path(), "left", 4, &lost, &["parallel.on_loss=continue"]).unwrap();
    assert_eq!(summary.steps, 20);
    close(&folder.path().join("left"), &folder.path().join("whole"));
}
