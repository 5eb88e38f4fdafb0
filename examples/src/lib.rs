//! Hearth's examples, one folder each: `cargo run --release --example NAME`.
//!
//! - `shakespeare`: a small model learns to write plays, from an embedded text.
//! - `multi_device`: two devices share every batch.
//! - `pipeline`: two devices share one model.
//! - `own_block`: a block that is written outside the crates trains as theirs do.

use std::path::PathBuf;

use hearth_train::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    run::{Run, RunSummary},
};

/// The embedded text.
pub const TEXT: &str = include_str!("../shakespeare/input.txt");
const CONFIG: &str = include_str!("../shakespeare/config.toml");

/// What makes a run take seconds.
const SMALL: [&str; 10] = [
    "model.layers=2",
    "model.width=32",
    "model.heads=2",
    "model.context_length=32",
    "model.dropout=0.0",
    "batch.micro_batch=2",
    "limits.steps=40",
    "schedule.warmup_steps=5",
    "evaluation.batches=5",
    "sample.every=0",
];

/// A small run on the embedded text, told by its summary alone.
///
/// # Errors
/// Those of [`Run::go`].
pub fn small_run(
    folder: PathBuf,
    device: OpenDevice,
    others: Vec<OpenDevice>,
    settings: &[&str],
) -> Result<RunSummary, TrainError> {
    let settings: Vec<String> = SMALL.iter().chain(settings).map(ToString::to_string).collect();
    let config = TrainConfig::parse(CONFIG, "the example's config.toml", &settings)?;
    Run::new(config, device, folder).text(TEXT).others(others).go()
}
