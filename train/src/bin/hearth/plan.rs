//! `hearth plan`.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
    ops::Range,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::bail;
use clap::Args;
use hearth_data::rows_by_speed;
use hearth_model::dealt;
use hearth_train::{
    TrainConfig,
    devices::{DeviceChoice, OpenDevice, matmul_flops},
    plan::{Choice, DeviceLimits, Rates, Table, choose, experts_plan, mib, replica_plan, stage_blocks, stage_plan},
    run::tokenizer,
};
use serde::Serialize;

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
    /// Print it as a JSON array, an object for each device.
    #[arg(long)]
    json: bool,
}

/// What a device would have of each batch and of the model, and what that takes.
struct Share {
    device: String,
    sequences: usize,
    /// Its blocks, where the model is in stages.
    blocks: Option<Range<usize>>,
    choice: Choice,
}

/// What `--json` prints of each device.
#[derive(Serialize)]
struct Object<'a> {
    device: &'a str,
    sequences: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    blocks: Option<Range<usize>>,
    micro_batch: usize,
    accumulation: usize,
    logits_chunk: usize,
    policy: String,
    peak_bytes: u64,
    /// What a step may take; null where that is not known.
    budget_bytes: Option<u64>,
    /// What takes the peak's bytes.
    parts: BTreeMap<&'static str, u64>,
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
        if config.parallel.experts && !others.is_empty() {
            return print_experts(&config, &[vec![device], others].concat(), self.json);
        }
        let shares = match others.is_empty() {
            true => vec![alone(&config, device)?],
            false => several(&config, &[vec![device], others].concat())?,
        };
        let mut out = io::stdout().lock();
        match &shares[..] {
            _ if self.json => {
                let objects: Vec<Object<'_>> = shares.iter().map(Share::object).collect();
                writeln!(out, "{}", serde_json::to_string(&objects)?)?;
            }
            [alone] => {
                writeln!(out, "{}", alone.device)?;
                write!(out, "{}", Table { model: &config.model, choice: &alone.choice })?;
            }
            _ => shares.iter().try_for_each(|share| writeln!(out, "{share}"))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Share {
    fn object(&self) -> Object<'_> {
        let Choice { plan, budget, .. } = &self.choice;
        let cut = &plan.cut;
        Object {
            device: &self.device,
            sequences: self.sequences,
            blocks: self.blocks.clone(),
            micro_batch: cut.micro_batch,
            accumulation: cut.accumulation,
            logits_chunk: cut.logits_chunk,
            policy: cut.policy.to_string(),
            peak_bytes: plan.peak_bytes(),
            budget_bytes: *budget,
            parts: plan.peak.usage.parts().into_iter().filter(|(_, bytes)| *bytes > 0).collect(),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { device, sequences, blocks, choice } = self;
        let (cut, peak) = (&choice.plan.cut, mib(choice.plan.peak_bytes()));
        write!(f, "{device}: {sequences} sequences")?;
        if let Some(own) = blocks {
            write!(f, " through blocks {} to {}", own.start, own.end - 1)?;
        }
        write!(f, "; {cut}: about {peak}")
    }
}

fn alone(config: &TrainConfig, device: OpenDevice) -> anyhow::Result<Share> {
    let rates = Rates::of_flops(matmul_flops(&device.device));
    let choice = choose(config, &device.limits, &rates)?;
    let sequences = config.batch.micro_batch * config.batch.accumulation;
    Ok(Share { device: device.name, sequences, blocks: None, choice })
}

/// What `--json` prints of a device that has experts and nothing else.
#[derive(Serialize)]
struct ExpertObject<'a> {
    device: &'a str,
    experts: Range<usize>,
    peak_bytes: u64,
}

/// Prints what the first device would have, and the experts of each.
fn print_experts(config: &TrainConfig, devices: &[OpenDevice], json: bool) -> anyhow::Result<ExitCode> {
    let limits: Vec<&DeviceLimits> = devices.iter().map(|device| &device.limits).collect();
    let rates = Rates::of_flops(matmul_flops(&devices[0].device));
    let (choice, taken) = experts_plan(config, &limits, &rates, None)?;
    let sequences = config.batch.micro_batch * config.batch.accumulation;
    let first = Share { device: devices[0].name.clone(), sequences, blocks: None, choice };
    let experts = dealt(config.model.experts, devices.len());
    let others = devices.iter().zip(experts).skip(1).zip(taken);
    let others: Vec<ExpertObject<'_>> = others
        .map(|((device, experts), peak_bytes)| ExpertObject { device: &device.name, experts, peak_bytes })
        .collect();
    let mut out = io::stdout().lock();
    if json {
        let mut objects = vec![serde_json::to_value(first.object())?];
        others.iter().try_for_each(|other| serde_json::to_value(other).map(|value| objects.push(value)))?;
        writeln!(out, "{}", serde_json::to_string(&objects)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{first}")?;
    for ExpertObject { device, experts, peak_bytes } in others {
        let (from, to) = (experts.start, experts.end - 1);
        writeln!(out, "{device}: experts {from} to {to} of each block: about {}", mib(peak_bytes))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What each device would have.
fn several(config: &TrainConfig, devices: &[OpenDevice]) -> anyhow::Result<Vec<Share>> {
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
    let share = |(rank, (device, flops)): (usize, (&OpenDevice, &f64))| {
        let (rows, rates) = (&rows[rank], Rates::of_flops(*flops));
        let own = blocks.get(rank % stages);
        let choice = match own {
            None => replica_plan(config, rows, devices.len(), &device.limits, &rates)?,
            Some(own) => stage_plan(config, (rank, devices.len()), own, rows, &device.limits, &rates)?,
        };
        Ok(Share { device: device.name.clone(), sequences: rows.len(), blocks: own.cloned(), choice })
    };
    devices.iter().zip(&speeds).enumerate().map(share).collect()
}
