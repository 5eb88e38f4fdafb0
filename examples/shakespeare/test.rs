//! The example learns, on the CPU and on wgpu, and leaves what it promises.

#[path = "main.rs"]
mod example;

use example::{Arguments, train};
use hearth_train::devices::DeviceChoice;

/// The loss of guessing evenly among the text's 62 characters.
const UNIFORM: f64 = 4.127;

fn quick(device: DeviceChoice) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let arguments = Arguments { device, quick: true, tui: false, set: Vec::new(), out: Some(out.clone()) };
    let summary = train(arguments).unwrap();
    assert_eq!((summary.steps, summary.interrupted), (40, false));
    let loss = summary.val_loss.unwrap();
    assert!(loss < 0.85 * UNIFORM, "validation {loss}");
    for file in ["config.toml", "tokenizer.json", "metrics.jsonl", "model.safetensors", "loss.svg"] {
        assert!(out.join(file).metadata().unwrap().len() > 0, "{file}");
    }
}

#[test]
fn cpu() {
    quick(DeviceChoice::Cpu);
}

#[test]
fn wgpu() {
    if hearth_wgsl::testing::wgpu_device().is_some() {
        quick(DeviceChoice::Wgpu(None));
    }
}
