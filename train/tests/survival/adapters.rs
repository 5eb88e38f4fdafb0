//! Adapters beside a base that is in no checkpoint, on one device and several.

use std::{fs, path::Path};

use burn::tensor::{Device, Int, Tensor};
use hearth_model::Transformer;
use hearth_train::{RunFolder, run::Start};

use super::{
    checkpoint,
    devices::{close, cpus, run_with},
    folder, state_of,
};

/// Without clipping, for norms are summed device by device.
const ADAPTERS: [&str; 3] = [
    "model.adapter={rank=3,targets=['query','up','down']}",
    "optimizer.learning_rate=0.003",
    "optimizer.clip_norm=0.0",
];

/// Replicas have the curve of one device, ZeRO-1 the bits of replicas and stages those of one device; a checkpoint of several goes on
/// on one.
#[test]
fn on_several_devices_they_train_as_on_one() {
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    run_with(folder.path(), "one", vec![], Start::New, None, &ADAPTERS).unwrap();
    for (name, others, more) in [
        ("replicas", 1, None),
        ("sharded", 1, Some("parallel.shard_optimizer=true")),
        ("stages", 1, Some("parallel.stages=2")),
        ("shrunk", 0, None),
    ] {
        let all: Vec<&str> = ADAPTERS.into_iter().chain(more).collect();
        let half: Vec<&str> = all.iter().copied().chain(["limits.steps=10"]).collect();
        run_with(folder.path(), name, cpus(1), Start::New, None, &half).unwrap();
        run_with(folder.path(), name, cpus(others), Start::Resume(at(name)), None, &all).unwrap();
        close(&at(name), &at("one"));
        // What stands at the end is the adapters alone, and with their base a model.
        assert_eq!(trained(&at(name)), trained(&at("one")), "{name}");
    }
    let bits = |name: &str| {
        let (parameters, moments, _) = state_of(&checkpoint(&at(name), 20));
        (parameters, moments)
    };
    assert!(bits("sharded") == bits("replicas"));
    assert!(bits("stages") == bits("one"));
}

/// The names in a run's file of weights.
fn trained(run: &Path) -> Vec<String> {
    let bytes = fs::read(run.join("model.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<String> = tensors.names().into_iter().map(ToString::to_string).collect();
    names.sort();
    assert!(!names.is_empty() && names.iter().all(|name| name.contains(".adapter.")), "{names:?}");
    names
}

/// A run that begins with another run's weights: the first loss is that model's own, and the base's file is not written again.
#[test]
fn a_run_begins_with_another_ones_weights() {
    let folder = folder();
    run_with(folder.path(), "base", vec![], Start::New, None, &[]).unwrap();
    let from = format!("model.from={}", folder.path().join("base").display());
    let settings = [from.as_str(), "model.adapter.rank=2", "limits.steps=5", "checkpoint.every=5"];
    let summary = run_with(folder.path(), "tuned", vec![], Start::New, None, &settings).unwrap();
    let [first, last] = [("tuned", 0), ("base", usize::MAX)].map(|(name, at)| {
        let lines = fs::read_to_string(folder.path().join(name).join("metrics.jsonl")).unwrap();
        let events = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let losses: Vec<f64> = events.filter_map(|event| event["val_loss"].as_f64()).collect();
        losses[at.min(losses.len() - 1)]
    });
    assert_eq!(first, last, "an adapter begins by changing nothing");
    assert!(summary.val_loss.unwrap() < first);

    // What is read again, adapters beside the base that the configuration names, is what was trained.
    let device = Device::flex();
    let tuned = RunFolder::existing(folder.path().join("tuned")).load(&device).unwrap();
    let logits =
        |model: &Transformer| model.logits(Tensor::<2, Int>::from_data([[3, 1, 4, 1, 5]], &device)).into_data();
    assert_eq!(logits(&tuned.model), logits(&summary.model));
    assert_eq!(tuned.model.config().adapter.as_ref().map(|adapter| adapter.rank), Some(2));
    // Where all weights are trained, what it began with is not asked for again.
    let whole = [from.as_str(), "limits.steps=2", "checkpoint.every=2"];
    let summary = run_with(folder.path(), "whole", vec![], Start::New, None, &whole).unwrap();
    fs::rename(folder.path().join("base"), folder.path().join("elsewhere")).unwrap();
    let error = RunFolder::existing(folder.path().join("tuned")).load(&device).unwrap_err().to_string();
    assert!(error.contains("base") && error.contains("does not exist"), "{error}");
    let whole = RunFolder::existing(folder.path().join("whole")).load(&device).unwrap();
    assert_eq!(logits(&whole.model), logits(&summary.model));
}
