//! Runs on several devices, and what comes of it when one of them is lost.

use std::path::Path;

use hearth_train::{
    TrainConfig, TrainError,
    devices::{DeviceChoice, OpenDevice, open},
    report::FrontKind,
    run::{Faults, Run, Start, Summary},
};

use super::{checkpoint, folder, losses};

/// Trains on the CPU and `others`; without dropout, whose masks go by micro-batch.
fn run(
    folder: &Path,
    name: &str,
    others: Vec<OpenDevice>,
    begin: Start,
    faults: Option<Faults>,
) -> Result<Summary, TrainError> {
    let settings = ["model.dropout=0.0", "batch.accumulation=4", "checkpoint.every=5"].map(String::from);
    let config = TrainConfig::read(&folder.join("config.toml"), &settings)?;
    let cpu = open(DeviceChoice::Cpu)?;
    Run { front: FrontKind::Quiet, others, begin, faults, ..Run::new(config, cpu, folder.join(name)) }.go()
}

fn close(found: &Path, expected: &Path) {
    let (found, expected) = (losses(found), losses(expected));
    assert!(found.keys().eq(expected.keys()), "{found:?}");
    for (step, expected) in expected {
        assert!((found[&step] - expected).abs() <= 1e-5 * expected, "step {step}: {} is not {expected}", found[&step]);
    }
}

#[test]
fn the_cpu_and_a_gpu_have_the_curve_of_the_cpu() {
    if hearth_wgsl::testing::wgpu_device().is_none() {
        return;
    }
    let folder = folder();
    run(folder.path(), "one", vec![], Start::New, None).unwrap();
    let gpu = open(DeviceChoice::Wgpu(None)).unwrap();
    run(folder.path(), "two", vec![gpu], Start::New, None).unwrap();
    close(&folder.path().join("two"), &folder.path().join("one"));
}

/// The run ends with the checkpoint before the loss, and goes on from there with the devices that are left.
#[test]
fn a_run_that_loses_one_device_goes_on_without_it() {
    if hearth_wgsl::testing::wgpu_device().is_none() {
        return;
    }
    let folder = folder();
    run(folder.path(), "whole", vec![], Start::New, None).unwrap();
    let gpu = open(DeviceChoice::Wgpu(None)).unwrap();
    let (name, lost) = (gpu.name.clone(), gpu.clone());
    let lose: Faults = Box::new(move |step| {
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

/// Their gradients are not handed over: such a run would leave them as they are.
#[test]
fn parameters_in_host_memory_are_refused() {
    let folder = folder();
    let settings = ["memory.policy=recompute", "memory.parameters=host"].map(String::from);
    let config = TrainConfig::read(&folder.path().join("config.toml"), &settings).unwrap();
    let [cpu, other] = [(); 2].map(|()| open(DeviceChoice::Cpu).unwrap());
    let run = Run { front: FrontKind::Quiet, others: vec![other], ..Run::new(config, cpu, folder.path().join("run")) };
    let error = run.go().unwrap_err().to_string();
    assert!(error.contains("set memory.parameters = \"device\""), "{error}");
}
