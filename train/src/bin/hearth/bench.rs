//! `hearth bench`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use hearth_train::{
    TrainConfig,
    bench::{BenchMemory, BenchOptions, BenchReport, Measured, PartTime, bench},
    devices::{DeviceChoice, open},
    plan::mib,
};

use crate::output::tell;

/// Time a training step of a configuration and its parts, on made-up tokens.
#[derive(Args)]
pub struct BenchCommand {
    /// The configuration of a run; its [data] is not opened.
    config: PathBuf,
    /// Override a field, as in `--set batch.micro_batch=4`; may be given many times.
    #[arg(long, value_name = "SECTION.FIELD=VALUE")]
    set: Vec<String>,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
    /// Steps that are timed, and turns of each part.
    #[arg(long, default_value_t = 10, value_parser = number())]
    steps: u64,
    /// Steps before them.
    #[arg(long, default_value_t = 3, value_parser = number())]
    warmup: u64,
    /// Only whole steps, not their parts.
    #[arg(long)]
    step_only: bool,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// From 1 to a million.
fn number() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=1 << 20)
}

impl BenchCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = TrainConfig::read(&self.config, &self.set)?;
        let device = open(self.device)?;
        device.note.iter().for_each(tell);
        if device.compiles_kernels {
            tell("compiling kernels, which takes longer the first time");
        }
        let (steps, warmup) = (self.steps as usize, self.warmup as usize);
        let report = bench(&config, &device, &BenchOptions { steps, warmup, parts: !self.step_only })?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&report)?)?;
        } else {
            show(&report, &mut out)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn show(report: &BenchReport, out: &mut impl Write) -> io::Result<()> {
    let BenchReport { device, parameters, tokens_per_step, cut, steps, step, parts, .. } = report;
    writeln!(out, "{device}")?;
    writeln!(out, "{parameters} parameters, a step of {tokens_per_step} tokens: {cut}")?;
    writeln!(out, "median, least and most of {steps} steps or turns, forward and back\n")?;
    writeln!(out, "{:10}{:>10}{:>10}{:>10}{:>7}", "part", "ms", "min", "max", "share")?;
    for part in parts {
        show_part(part, out)?;
    }
    let [median, min, max] = [step.median_ms, step.min_ms, step.max_ms];
    writeln!(out, "{:10}{median:>10.2}{min:>10.2}{max:>10.2}{:>5.0} %\n", "step", 100.0)?;
    writeln!(out, "tokens/s  {:.0}", report.tokens_per_second)?;
    writeln!(
        out,
        "MFU       {:.1} %: {:.2} GFLOP of products a step, of the {:.0} GFLOP/s of a large product",
        100.0 * report.mfu,
        1e-9 * report.flops_per_step,
        1e-9 * report.device_flops
    )?;
    show_memory(&report.memory, out)
}

fn show_part(part: &PartTime, out: &mut impl Write) -> io::Result<()> {
    let PartTime { name, what, measured, ms, spread, share, .. } = part;
    let [min, max] = match spread {
        Some(spread) => [spread.min_ms, spread.max_ms].map(|ms| format!("{ms:.2}")),
        None => Default::default(),
    };
    let how = match measured {
        Measured::Alone => "alone",
        Measured::InStep => "in the step",
        _ => "the difference",
    };
    writeln!(out, "{name:10}{ms:>10.2}{min:>10}{max:>10}{:>5.0} %  {what} ({how})", 100.0 * share)
}

fn show_memory(memory: &BenchMemory, out: &mut impl Write) -> io::Result<()> {
    if let Some(pool) = memory.pool_bytes {
        writeln!(out, "memory    {} in the device's pool, {} planned", mib(pool), mib(memory.planned_bytes))?;
    }
    let Some(resident) = memory.resident_bytes else { return Ok(()) };
    let before =
        memory.resident_before_bytes.map_or(String::new(), |bytes| format!(", {} before the model", mib(bytes)));
    match memory.pool_bytes {
        Some(_) => writeln!(out, "          {} resident at most{before}", mib(resident)),
        None => {
            writeln!(out, "memory    {} resident at most{before}, {} planned", mib(resident), mib(memory.planned_bytes))
        }
    }
}
