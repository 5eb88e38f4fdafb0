//! Numbers that are none, spikes, and devices that are lost.

use std::{fs, path::Path};

use hearth_train::{
    TrainConfig, TrainError,
    devices::{DeviceChoice, open},
    run::{InjectedFault, Run, RunSummary},
};
use serde_json::Value;

use super::{checkpoint, curve, folder, losses, state_of, turn_on_wgpu};

/// Trains in `folder/name`, with a checkpoint at each step that has one, and a fault at the first take of each of `faults`.
fn run(
    folder: &Path,
    name: &str,
    device: DeviceChoice,
    settings: &[&str],
    faults: &[(u64, InjectedFault)],
) -> Result<RunSummary, TrainError> {
    let settings: Vec<String> = ["checkpoint.every=1"].iter().chain(settings).map(ToString::to_string).collect();
    let config = TrainConfig::read(&folder.join("config.toml"), &settings)?;
    let mut faults = faults.to_vec();
    let fault = move |step: u64| {
        let at = faults.iter().position(|(of, _)| *of == step)?;
        Some(faults.remove(at).1)
    };
    Run::new(config, open(device)?, folder.join(name)).faults(Some(Box::new(fault))).go()
}

fn weights(run: &Path, step: u64) -> (Vec<u8>, Vec<u8>) {
    let (model, optimizer, _) = state_of(&checkpoint(run, step));
    (model, optimizer)
}

const NAN: InjectedFault = InjectedFault::Scale(f64::NAN);

#[test]
fn a_loss_that_is_no_number_changes_nothing() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    run(folder.path(), "calm", DeviceChoice::Cpu, &[], &[]).unwrap();
    let summary = run(folder.path(), "nan", DeviceChoice::Cpu, &[], &[(7, NAN)]).unwrap();
    assert_eq!(summary.steps, 20);
    // Step 7 was as if it had not been; there is no checkpoint of it, for its loss was no number.
    assert!(weights(&at("nan"), 8) == weights(&at("calm"), 7));
    assert!(weights(&at("nan"), 9) != weights(&at("calm"), 7) && !checkpoint(&at("nan"), 7).exists());
    let left_out = |name: &str| {
        curve(&at(name)).iter().filter(|event| event.contains_key("left_out")).cloned().collect::<Vec<_>>()
    };
    let [event] = &left_out("nan")[..] else { panic!("{:?}", left_out("nan")) };
    assert_eq!((&event["step"], &event["train_loss"]), (&Value::from(7), &Value::Null));
    assert!(left_out("calm").is_empty() && summary.val_loss.unwrap().is_finite());
}

#[test]
fn a_spike_changes_nothing() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    run(folder.path(), "spike", DeviceChoice::Cpu, &[], &[(9, InjectedFault::Scale(30.0))]).unwrap();
    assert!(weights(&at("spike"), 10) == weights(&at("spike"), 9));
    assert!(weights(&at("spike"), 11) != weights(&at("spike"), 10));
    run(
        folder.path(),
        "borne",
        DeviceChoice::Cpu,
        &["guard.loss_z=0", "guard.norm_z=0"],
        &[(9, InjectedFault::Scale(30.0))],
    )
    .unwrap();
    assert!(weights(&at("borne"), 10) != weights(&at("borne"), 9));
}

#[test]
fn too_many_in_a_row_lead_back_and_on_with_other_data() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    run(folder.path(), "calm", DeviceChoice::Cpu, &[], &[]).unwrap();
    let faults = [(7, NAN), (8, NAN), (9, NAN)];
    let summary = run(folder.path(), "back", DeviceChoice::Cpu, &[], &faults).unwrap();
    assert_eq!(summary.steps, 20);
    let (calm, back) = (losses(&at("calm")), losses(&at("back")));
    // Back to step 6, whose batch and the three bad ones are not seen again.
    for step in 0..20 {
        assert_eq!(calm[&step] == back[&step], step < 6, "step {step}");
    }
    let (.., state) = state_of(&checkpoint(&at("back"), 20));
    assert_eq!((&state["restores"], &state["data"]), (&Value::from(1), &Value::from(24)));
}

#[test]
fn a_run_that_cannot_be_saved_ends_with_a_report() {
    let folder = folder();
    let always: Vec<(u64, InjectedFault)> = (0..40).flat_map(|_| (5..9).map(|step| (step, NAN))).collect();
    let error = run(folder.path(), "lost", DeviceChoice::Cpu, &[], &always).unwrap_err().to_string();
    assert!(error.contains("the last of 3 in a row; the run has gone back 3 times: the run has diverged"), "{error}");
    assert!(checkpoint(&folder.path().join("lost"), 4).exists());
    let first: Vec<(u64, InjectedFault)> = (2..9).map(|step| (step, NAN)).collect();
    let error =
        run(folder.path(), "early", DeviceChoice::Cpu, &["checkpoint.every=0"], &first).unwrap_err().to_string();
    assert!(error.contains("there is no checkpoint to go back to"), "{error}");
    let up: Vec<(u64, InjectedFault)> = (8..20).map(|step| (step, InjectedFault::Scale(2.0))).collect();
    let settings = ["guard.loss_z=0", "guard.norm_z=0"];
    let error = run(folder.path(), "up", DeviceChoice::Cpu, &settings, &up).unwrap_err().to_string();
    assert!(error.contains("more than guard.divergence = 2 above: the run has diverged"), "{error}");
}

#[test]
fn a_lost_device_is_opened_again_and_the_curve_goes_on() {
    let Some(_turn) = turn_on_wgpu() else { return };
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let run = |name: &str, more: &[&str], faults: &[(u64, InjectedFault)]| {
        let settings = [&["checkpoint.every=4", "limits.steps=10"], more].concat();
        run(folder.path(), name, DeviceChoice::Wgpu(None), &settings, faults)
    };
    run("calm", &[], &[]).unwrap();
    run("lost", &[], &[(6, InjectedFault::LoseDevice)]).unwrap();
    assert!(state_of(&checkpoint(&at("lost"), 10)) == state_of(&checkpoint(&at("calm"), 10)));
    assert_eq!(curve(&at("lost")), curve(&at("calm")));

    let error = run("gone", &["guard.device_losses=0"], &[(6, InjectedFault::LoseDevice)]).unwrap_err().to_string();
    // Its reason is "Destroyed", unless the loss met a launch on its way.
    assert!(
        error.starts_with("the device was lost: ")
            && error.ends_with("; checkpoints are whole, and --resume auto goes on"),
        "{error}"
    );
    assert!(checkpoint(&at("gone"), 4).exists());
}

#[test]
fn patience_ends_a_run_that_learns_nothing() {
    let folder = folder();
    let settings = ["optimizer.learning_rate=0", "evaluation.patience=2", "evaluation.every=3"];
    let summary = run(folder.path(), "still", DeviceChoice::Cpu, &settings, &[]).unwrap();
    // Evaluations before steps 0, 3 and 6 are equal.
    assert_eq!((summary.steps, summary.out_of_patience, summary.best.unwrap().step), (6, true, 0));
    assert!(fs::exists(folder.path().join("still/model.safetensors")).unwrap());
}
