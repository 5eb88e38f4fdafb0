//! 2N steps are N, a new process, and N: every parameter, every moment, every figure.

use std::{collections::BTreeMap, fs, path::Path};

use super::{EXPERTS_BY_MUON, checkpoint, curve, folder, hearth, state_of, succeeded};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => copy(&path, &to.join(entry.file_name())),
            path => drop(fs::copy(path, to.join(entry.file_name())).unwrap()),
        }
    }
}

/// A name and the settings of a policy.
type Policy<'a> = (&'a str, &'a [&'a str]);

const AS_IT_WAS: Policy = ("as it was", &["memory=auto"]);
const RECOMPUTE: Policy = ("recompute", &["memory=recompute", "memory.group=2"]);
/// Activations too.
const HOST: Policy = ("host", &["memory=offload", "memory.parameters=host"]);

/// Runs 20 steps of a run with these settings, and those from 10 on again under each policy, each time in a process of its own.
fn exact(device: &str, settings: &[&str], policies: &[Policy]) {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let begin = ["config.toml", "--device", device, "--out", "whole"];
    let begin: Vec<&str> = begin.into_iter().chain(settings.iter().flat_map(|it| ["--set", it])).collect();
    succeeded(hearth(folder.path(), &begin).output().unwrap());
    for (name, settings) in policies {
        copy(&at("whole"), &at(name));
        // As the run was after ten steps; what it reported later is of a future that is not to be.
        fs::remove_dir_all(checkpoint(&at(name), 20)).unwrap();
        let sets = settings.iter().flat_map(|setting| ["--set", setting]);
        let arguments: Vec<&str> = ["--resume", name, "--device", device].into_iter().chain(sets).collect();
        let text = succeeded(hearth(folder.path(), &arguments).output().unwrap());
        assert!(text.contains("going on from step 10 of"), "{text}");
        // The host's AdamW may round otherwise than a GPU's; lavapipe's does not.
        assert!(state_of(&checkpoint(&at(name), 20)) == state_of(&checkpoint(&at("whole"), 20)), "{device}, {name}");
        assert_eq!(curve(&at(name)), curve(&at("whole")), "{device}, {name}");
        if device == "wgpu" {
            // All that the first process chose, and nothing else for the same work.
            let [before, after] =
                [checkpoint(&at("whole"), 20), checkpoint(&at(name), 20)].map(|path| kernels(&path, 0));
            assert!(!before.is_empty() && before.iter().all(|(key, kernel)| after.get(key) == Some(kernel)), "{name}");
        }
    }
    assert_eq!(curve(&at("whole")).len(), 25);
}

/// The kernel of the device of this rank for each operation and shape.
pub fn kernels(checkpoint: &Path, rank: usize) -> BTreeMap<(String, String), String> {
    let json = fs::read(checkpoint.join("kernels.json")).unwrap();
    let mut devices: Vec<serde_json::Value> = serde_json::from_slice(&json).unwrap();
    let operations: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_value(devices[rank]["kernels"].take()).unwrap();
    let of = |(operation, shapes): (String, BTreeMap<String, serde_json::Value>)| {
        shapes.into_iter().map(move |(shape, choice)| ((operation.clone(), shape), choice.to_string()))
    };
    operations.into_iter().flat_map(of).collect()
}

#[test]
fn exact_on_the_cpu() {
    let all = [AS_IT_WAS, ("keep", &["memory=keep"]), RECOMPUTE, ("offload", &["memory=offload"]), HOST];
    exact("cpu", &[], &all);
}

#[test]
fn exact_on_the_cpu_with_experts_by_muon() {
    exact("cpu", &EXPERTS_BY_MUON, &[AS_IT_WAS, RECOMPUTE, HOST]);
}

/// Averages of a mixture of experts, whose router's bias is updated by a rule of its own; a width with less of the rate.
const AVERAGED: [&str; 3] = ["optimizer.average=0.9", "optimizer.base_width=8", "model.experts=4"];

#[test]
fn exact_on_the_cpu_with_averages() {
    exact("cpu", &AVERAGED, &[AS_IT_WAS, RECOMPUTE, HOST]);
}

#[test]
fn exact_on_wgpu_with_averages() {
    if hearth_wgsl::testing::wgpu_device().is_some() {
        exact("wgpu", &AVERAGED, &[AS_IT_WAS, HOST]);
    }
}

/// Adapters with dropout, and a norm that a group trains beside them; the base is drawn from the seed, and in no checkpoint.
const ADAPTERS: [&str; 3] = [
    "model.adapter={rank=3,dropout=0.1,rank_stabilized=true,targets=['query','value','down']}",
    "optimizer.groups=[{parameters=['head.norm.*'],frozen=false}]",
    "optimizer.learning_rate=0.02",
];

#[test]
fn exact_on_the_cpu_with_adapters() {
    exact("cpu", &ADAPTERS, &[AS_IT_WAS, RECOMPUTE, HOST]);
}

#[test]
fn exact_on_wgpu_with_adapters() {
    if hearth_wgsl::testing::wgpu_device().is_some() {
        exact("wgpu", &ADAPTERS, &[RECOMPUTE]);
    }
}

/// The tenth step is in the middle of the growth: 2 to 12 sequences by micro-batches of 2, over 15 steps.
const GROWING: [&str; 2] = ["batch.accumulation=6", "batch.warmup_steps=15"];

#[test]
fn exact_on_the_cpu_while_batches_grow() {
    exact("cpu", &GROWING, &[AS_IT_WAS, RECOMPUTE]);
}

/// With other sequences a step the run goes on behind those that it had seen, if it is told to.
#[test]
fn another_growth_keeps_the_place_in_the_data() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let run = |arguments: &[&str]| hearth(folder.path(), &[arguments, &["--device", "cpu"]].concat()).output().unwrap();
    let sets: Vec<&str> = GROWING.iter().flat_map(|it| ["--set", it]).collect();
    let begin = [&["config.toml", "--out", "run", "--set", "limits.steps=10"][..], &sets].concat();
    succeeded(run(&begin));
    let other = ["--resume", "run", "--set", "batch.warmup_steps=0", "--set", "limits.steps=12"];
    let refused = run(&other);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    let told = "batch: warmup_steps = 0, warmup_from = 0 by 2, but the checkpoint's run has warmup_steps = 15";
    assert!(!refused.status.success() && text.contains(told), "{text}");
    succeeded(run(&[&other[..], &["--change-batch"]].concat()));
    // 2, 2, 2, 4, 4, 4, 6, 6, 6 and 8 are 44 sequences of 32 tokens; the fourth of 12 begins at 36, the fifth at 48.
    let tokens: Vec<u64> = super::curve(&at("run"))
        .iter()
        .filter(|it| it.contains_key("train_loss"))
        .map(|it| it["tokens"].as_u64().unwrap())
        .collect();
    let expected = [0, 2, 4, 6, 10, 14, 18, 24, 30, 36, 48, 60].map(|sequences| sequences * 32);
    assert_eq!(tokens, expected);
}

/// A run that kept no averages goes on with some from where it is, and trains as it would without.
#[test]
fn averages_begin_where_a_run_goes_on() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    succeeded(hearth(folder.path(), &["config.toml", "--device", "cpu", "--out", "whole"]).output().unwrap());
    copy(&at("whole"), &at("averaged"));
    fs::remove_dir_all(checkpoint(&at("averaged"), 20)).unwrap();
    let arguments = ["--resume", "averaged", "--device", "cpu", "--set", "optimizer.average=0.9"];
    let text = succeeded(hearth(folder.path(), &arguments).output().unwrap());
    assert!(text.contains("optimizer.average = 0.9 from here on, was 0.0"), "{text}");
    assert_eq!(super::losses(&at("averaged")), super::losses(&at("whole")));
    let weights = |name: &str| state_of(&checkpoint(&at(name), 20)).0;
    assert!(weights("averaged") == weights("whole"));
    let model = |name: &str| fs::read(at(name).join("model.safetensors")).unwrap();
    assert!(model("averaged") != model("whole"), "the run's model has the averages");
}

#[test]
fn exact_on_wgpu_with_experts_by_muon() {
    if hearth_wgsl::testing::wgpu_device().is_some() {
        // In host memory Muon's products are the CPU's, which round otherwise.
        exact("wgpu", &EXPERTS_BY_MUON, &[AS_IT_WAS, RECOMPUTE]);
    }
}

#[test]
fn exact_on_wgpu() {
    if hearth_wgsl::testing::wgpu_device().is_some() {
        // Each of them makes the device compile all kernels again.
        exact("wgpu", &[], &[AS_IT_WAS, RECOMPUTE, HOST]);
    }
}

/// Other micro-batches sum in another order: the same global batches, the same curve to rounding.
#[test]
fn another_micro_batch_keeps_the_curve() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    succeeded(
        hearth(folder.path(), &["config.toml", "--device", "cpu", "--out", "whole", "--set", "model.dropout=0"])
            .output()
            .unwrap(),
    );
    copy(&at("whole"), &at("other"));
    fs::remove_dir_all(checkpoint(&at("other"), 20)).unwrap();
    let sets = ["--set", "batch.micro_batch=4", "--set", "batch.accumulation=1"];
    let arguments = [&["--resume", "other", "--device", "cpu"][..], &sets].concat();
    let text = succeeded(hearth(folder.path(), &arguments).output().unwrap());
    assert!(text.contains("batch.micro_batch = 4 from here on, was 2"), "{text}");
    let [whole, other] = ["whole", "other"].map(|name| super::losses(&at(name)));
    assert_eq!(whole.len(), 20);
    for (step, loss) in whole {
        assert!((loss - other[&step]).abs() < 1e-4, "step {step}: {loss} and {}", other[&step]);
    }
}

#[test]
fn another_run_is_refused_by_the_field() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let run = |arguments: &[&str]| hearth(folder.path(), arguments).output().unwrap();
    succeeded(run(&["config.toml", "--device", "cpu", "--out", "run", "--set", "limits.steps=10"]));
    fs::write(at("other.txt"), "abcdefgh ".repeat(2000)).unwrap();
    let whole = fs::read_to_string(folder.path().join("config.toml")).unwrap();
    let text_line = whole.lines().find(|line| line.starts_with("text")).unwrap().to_string();
    let same_letters = fs::read_to_string(text_line.split('"').nth(1).unwrap()).unwrap();
    fs::write(at("same-letters.txt"), same_letters.chars().rev().collect::<String>()).unwrap();

    let newest = "run/step-00000010";
    for (setting, expected) in [
        ("model.layers=3", "model.layers = 3, but the checkpoint's model has 2"),
        ("data.text=other.txt", "the tokenizer is not the one of the checkpoint's run"),
        ("data.text=same-letters.txt", "the tokens are not those of the checkpoint's run"),
        ("seed=4", "seed = 4, but the checkpoint's run has 3; --fork starts a new run with its weights"),
        ("data.stride=7", "data.stride = 7, but the checkpoint's run has 0"),
        (
            "optimizer.rule=muon",
            "optimizer.rule = \"muon\", but the checkpoint's run has \"adamw\"; --fork starts a new run",
        ),
        ("batch.micro_batch=3", "= 6, but the checkpoint's run has 4 sequences a step"),
    ] {
        let output = run(&["--resume", "run", "--device", "cpu", "--set", setting]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(newest) && text.contains(expected), "{setting}: {text}");
        assert_eq!(text.trim().lines().count(), 1, "{text}");
    }
    for (arguments, expected) in [
        (&["--resume", "nowhere"][..], "--resume nowhere: is not there; give the folder"),
        (&["config.toml", "--resume", "nowhere"], "nowhere: is not there: give the folder"),
        (&["--resume", "auto"], "--resume auto needs the configuration too"),
        (&["config.toml", "--fork"], "--resume"),
        (&["config.toml", "--resume", "auto", "--fork"], "--fork needs the checkpoint"),
        (&["config.toml", "--resume", "run", "--out", "other"], "a run goes on in its own folder"),
        (&["config.toml", "--out", "run"], "already holds a run: go on with it by --resume auto"),
    ] {
        let output = run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(expected), "{arguments:?}: {text}");
    }
    // What differs and is allowed is said; what was there is still there.
    let text = succeeded(run(&["--resume", "run", "--device", "cpu", "--set", "limits.steps=12"]));
    assert!(text.contains("limits.steps = 12 from here on, was 10"), "{text}");
    let older = run(&["--resume", "run/step-00000010", "--device", "cpu"]);
    assert!(String::from_utf8_lossy(&older.stderr).contains("the run went on to step 12"), "{older:?}");

    let text = succeeded(run(&[
        "config.toml",
        "--resume",
        newest,
        "--fork",
        "--out",
        "fork",
        "--set",
        "seed=4",
        "--device",
        "cpu",
    ]));
    assert!(text.contains("the first weights are those of run/step-00000010"), "{text}");
    let first = |run: &str| super::losses(&at(run))[&0];
    assert!(first("fork") < first("run") - 0.05, "{} and {}", first("fork"), first("run"));
}

/// A broken newest checkpoint is told and passed over; with none that is whole nothing is started.
#[test]
fn auto_takes_the_newest_that_is_whole() {
    let folder = folder();
    let run = |steps: &str| {
        let arguments = ["config.toml", "--resume", "auto", "--out", "run", "--device", "cpu", "--set", steps];
        hearth(folder.path(), &arguments).output().unwrap()
    };
    let anew = succeeded(run("limits.steps=20"));
    assert!(!anew.contains("going on from"), "{anew}");
    let state = |step| state_of(&checkpoint(&folder.path().join("run"), step));
    let (whole, figures) = (state(20), curve(&folder.path().join("run")));

    let flip = |step: u64, name: &str| {
        let path = checkpoint(&folder.path().join("run"), step).join(name);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(&path, bytes).unwrap();
    };
    flip(20, "optimizer.safetensors");
    let again = succeeded(run("limits.steps=20"));
    assert!(again.contains("step-00000020/optimizer.safetensors: was changed since it was written"), "{again}");
    assert!(again.contains("going on from step 10 of run"), "{again}");
    assert!(state(20) == whole && curve(&folder.path().join("run")) == figures);

    [10, 20].into_iter().for_each(|step| flip(step, "manifest.json"));
    let nothing = run("limits.steps=20");
    let text = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(!nothing.status.success() && text.contains("is whole; remove them to start the run anew"), "{text}");
}
