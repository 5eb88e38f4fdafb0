//! A small language model learns to write like Shakespeare.
//!
//!     cargo run --release --example shakespeare

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use hearth_train::{
    TrainConfig,
    devices::{DeviceChoice, open},
    report::FrontKind,
    run::{Run, RunFolder, RunSummary, stop_on_ctrl_c},
};

const TEXT: &str = include_str!("input.txt");
const CONFIG: &str = include_str!("config.toml");

/// What makes the run take seconds: a smaller model, fewer steps.
const QUICK: [&str; 9] = [
    "model.layers=1",
    "model.width=32",
    "model.heads=2",
    "model.context_length=32",
    "batch.micro_batch=4",
    "limits.steps=40",
    "schedule.warmup_steps=5",
    "evaluation.batches=5",
    "sample.tokens=40",
];

/// Train a small Llama on nine of Shakespeare's plays.
#[derive(Parser)]
pub struct Arguments {
    /// auto, cpu, wgpu or wgpu:N.
    #[arg(long, default_value_t)]
    pub device: DeviceChoice,
    /// A far smaller model for 40 steps: seconds instead of minutes.
    #[arg(long)]
    pub quick: bool,
    /// Show the terminal dashboard instead of a progress bar.
    #[arg(long)]
    pub tui: bool,
    /// Override a field of the configuration, as in `--set limits.steps=100`.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    pub set: Vec<String>,
    /// The run's folder; runs/shakespeare or the next free name by default.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

#[allow(dead_code)] // test.rs includes this file for `train`
fn main() -> ExitCode {
    hearth_train::devices::keep_freed_host_memory();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("error")).init();
    match train(Arguments::parse()) {
        Ok(summary) => {
            println!(
                "validation {:.4} nats per character after {} steps in {:.0} s; the curve is {}",
                summary.val_loss.unwrap_or(f64::NAN),
                summary.steps,
                summary.seconds,
                summary.picture.as_deref().unwrap_or(&summary.folder).display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Trains on the embedded text.
pub fn train(arguments: Arguments) -> anyhow::Result<RunSummary> {
    let quick = QUICK.iter().filter(|_| arguments.quick).map(ToString::to_string);
    let settings: Vec<String> = quick.chain(arguments.set).collect();
    let config = TrainConfig::parse(CONFIG, "examples/shakespeare/config.toml", &settings)?;
    let folder = arguments.out.unwrap_or_else(|| RunFolder::next("runs".as_ref(), "shakespeare".as_ref()));
    let front = if arguments.tui { FrontKind::Dashboard } else { FrontKind::Progress };
    let run = Run::new(config, open(arguments.device)?, folder).text(TEXT).front(front).stop(stop_on_ctrl_c());
    Ok(run.go()?)
}
