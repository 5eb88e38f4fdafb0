//! `hearth plan`.

use std::{
    io::{self, Write},
    ops::Range,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::bail;
use clap::Args;
use hearth_data::rows_by_speed;
use hearth_train::{
    TrainConfig,
    devices::{DeviceChoice, OpenDevice, matmul_flops},
    plan::{DeviceLimits, Rates, Table, choose, mib, replica_plan, stage_blocks, stage_plan},
    run::tokenizer,
};

use crate::{overrides::Overrides, train::open_all};

/// Show what a run would take in memory, and how it would be cut to fit.
#[derive(Args)]
pub struct PlanCommand {
    /// The configuration of the run.
    config: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`); several, as in wgpu:0,cpu, as `hearth train` would share the work.
    #[arg(long, default_value = "auto", value_delimiter = ',')]
    device: Vec<DeviceChoice>,
}

impl PlanCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut config = TrainConfig::read(&self.config, &self.overrides.all())?;
        config.data.require_source(&self.config.display().to_string())?;
        if config.model.vocab_size == 0 {
            // The tokenizer decides it, and the text may decide the tokenizer.
            config.model.vocab_size = tokenizer(&config.data)?.vocab_size();
        }
        config.kernels.apply();
        let (device, others) = open_all(&self.device)?;
        if others.is_empty() {
            let rates = Rates::of_flops(matmul_flops(&device.device));
            let choice = choose(&config, &device.limits, &rates)?;
            let mut out = io::stdout().lock();
            writeln!(out, "{}", device.name)?;
            write!(out, "{}", Table { model: &config.model, choice: &choice })?;
        } else {
            several(&config, &[vec![device], others].concat())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A line for each device: what it would have of each batch and of the model, and what that takes.
fn several(config: &TrainConfig, devices: &[OpenDevice]) -> anyhow::Result<()> {
    let stages = config.parallel.stages;
    if !devices.len().is_multiple_of(stages) {
        bail!(
            "parallel.stages = {stages}: {} devices make no whole pipelines; name a multiple of {stages} with --device",
            devices.len()
        );
    }
    let speeds: Vec<f64> = devices.iter().map(|device| matmul_flops(&device.device)).collect();
    let pipelines: Vec<f64> = speeds.chunks(stages).map(|stages| stages.iter().sum()).collect();
    let rows = rows_by_speed(config.batch.micro_batch * config.batch.accumulation, &pipelines)?;
    let rows: Vec<Range<usize>> = rows.into_iter().flat_map(|rows| vec![rows; stages]).collect();
    let limits: Vec<&DeviceLimits> = devices.iter().map(|device| &device.limits).collect();
    let blocks = if stages > 1 { stage_blocks(config, &limits, &speeds, &rows, &[])? } else { Vec::new() };
    for (rank, (device, flops)) in devices.iter().zip(&speeds).enumerate() {
        let (rows, rates) = (&rows[rank], Rates::of_flops(*flops));
        let (part, choice) = match blocks.get(rank % stages) {
            None => (String::new(), replica_plan(config, rows, devices.len(), &device.limits, &rates)?),
            Some(own) => (
                format!(" through blocks {} to {}", own.start, own.end - 1),
                stage_plan(config, (rank, devices.len()), own, rows, &device.limits, &rates)?,
            ),
        };
        let (sequences, plan) = (rows.len(), choice.plan);
        let (name, peak) = (&device.name, mib(plan.peak_bytes()));
        writeln!(io::stdout(), "{name}: {sequences} sequences{part}; {}: about {peak}", plan.cut)?;
    }
    Ok(())
}
