//! Runs that are interrupted in every way go on as if nothing had been.

mod adapters;
mod devices;
mod disk;
mod faults;
mod histories;
mod kills;
#[cfg(feature = "mpi")]
mod mpi;
mod resume;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

/// A model with everything that could go wrong in a resumption: dropout, accumulation, clipping.
const CONFIG: &str = r#"
seed = 3
[data]
text = "TEXT"
[model]
preset = "shakespeare-cpu"
layers = 2
width = 32
heads = 2
context_length = 32
dropout = 0.1
[batch]
micro_batch = 2
accumulation = 2
[optimizer]
clip_norm = 0.5
[schedule]
kind = "constant"
warmup_steps = 3
[limits]
steps = 20
[evaluation]
every = 5
batches = 2
[checkpoint]
every = 10
keep_every = 1
keep_best = false
[guard]
window = 4
"#;

/// Another rule, and a mixture of experts.
const EXPERTS_BY_MUON: [&str; 3] = ["optimizer.rule=muon", "model.experts=4", "loss.router_balance=0.01"];

/// Read by the runtime where a process starts: little autotuning.
const RUNTIME: &str = r#"
[autotune]
level = "minimal"
bench = { min_samples = 1, max_samples = 1, short_circuit_samples = 1 }
"#;

/// A folder with `config.toml` and the runtime's own.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/shakespeare/input.txt");
    fs::write(folder.path().join("config.toml"), CONFIG.replace("TEXT", &text.display().to_string())).unwrap();
    fs::write(folder.path().join("cubecl.toml"), RUNTIME).unwrap();
    folder
}

/// Runs on wgpu in this process take turns, for each keeps the process's store of kernel choices; `None`, said aloud, where
/// there is no adapter.
fn turn_on_wgpu() -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    hearth_wgsl::testing::wgpu_device().map(|_| turn)
}

/// `hearth train` in a process of its own.
fn hearth(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
    command.current_dir(folder).arg("train").args(arguments);
    command
}

fn succeeded(output: Output) -> String {
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{text}");
    text
}

fn checkpoint(run: &Path, step: u64) -> PathBuf {
    run.join(format!("step-{step:08}"))
}

/// Parameters and moments to the bit, and the numbers that decide about what comes.
fn state_of(checkpoint: &Path) -> (Vec<u8>, Vec<u8>, Value) {
    let read = |name: &str| fs::read(checkpoint.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut numbers: Value = serde_json::from_slice(&read("state.json")).unwrap();
    for of_the_machine in ["seconds", "cut"] {
        numbers.as_object_mut().unwrap().remove(of_the_machine);
    }
    (read("model.safetensors"), read("optimizer.safetensors"), numbers)
}

/// Every figure that a run reported, but for those of the clock.
fn curve(run: &Path) -> Vec<BTreeMap<String, Value>> {
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let event = |line: &str| {
        let mut event: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        event.retain(|name, _| !["seconds", "tokens_per_second", "mfu", "memory_bytes"].contains(&name.as_str()));
        event
    };
    lines.lines().map(event).filter(|event| !event.contains_key("event")).collect()
}

/// Of the steps from `from` on.
fn losses(run: &Path) -> BTreeMap<u64, f64> {
    let loss = |event: &BTreeMap<String, Value>| Some((event["step"].as_u64()?, event.get("train_loss")?.as_f64()?));
    curve(run).iter().filter_map(loss).collect()
}
