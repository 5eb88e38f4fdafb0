//! `hearth devices`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use hearth_data::rows_by_speed;
use hearth_train::devices::{Adapter, DeviceChoice, adapters, matmul_flops, open};
use serde::Serialize;

/// List the devices that can train, with their limits.
#[derive(Args)]
pub struct DevicesCommand {
    /// Print them as a JSON array, without measuring their speed.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints of each.
#[derive(Serialize)]
struct Object {
    /// As `--device` names it.
    device: String,
    name: String,
    /// Of an adapter: what kind it is, its API and its driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter: Option<AdapterObject>,
}

#[derive(Serialize)]
struct AdapterObject {
    kind: &'static str,
    backend: String,
    driver: String,
    is_hardware: bool,
    max_buffer_bytes: u64,
    max_binding_bytes: u64,
    /// What a run may take; null where that is not known.
    memory_bytes: Option<u64>,
    has_f16: bool,
    has_subgroups: bool,
}

const MIB: u64 = 1 << 20;

impl DevicesCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout().lock();
        let (cpu, adapters) = (open(DeviceChoice::Cpu)?.name, adapters());
        if self.json {
            let cpu = Object { device: DeviceChoice::Cpu.to_string(), name: cpu, adapter: None };
            let all: Vec<Object> = std::iter::once(cpu).chain(adapters.iter().map(Object::of)).collect();
            writeln!(out, "{}", serde_json::to_string(&all)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "cpu     {cpu}")?;
        for adapter in &adapters {
            describe(adapter, &mut out)?;
        }
        if adapters.is_empty() {
            writeln!(out, "no wgpu adapter: a GPU needs its Vulkan, Metal or DirectX 12 driver installed")?;
        }
        writeln!(out, "--device auto takes {}", open(DeviceChoice::Auto)?.name)?;
        let (gpus, _): (Vec<_>, Vec<_>) = adapters.into_iter().partition(Adapter::is_hardware);
        if !gpus.is_empty() {
            share_of_each(&gpus, &mut out)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Object {
    fn of(adapter: &Adapter) -> Self {
        let (info, limits) = (&adapter.info, &adapter.limits);
        Self {
            device: DeviceChoice::Wgpu(Some(adapter.index)).to_string(),
            name: info.name.clone(),
            adapter: Some(AdapterObject {
                kind: adapter.kind(),
                backend: info.backend.to_string(),
                driver: format!("{} {}", info.driver, info.driver_info),
                is_hardware: adapter.is_hardware(),
                max_buffer_bytes: limits.max_buffer_size,
                max_binding_bytes: limits.max_storage_buffer_binding_size,
                memory_bytes: adapter.memory(),
                has_f16: adapter.has_f16(),
                has_subgroups: adapter.has_subgroups(),
            }),
        }
    }
}

/// An adapter and its limits.
fn describe(adapter: &Adapter, out: &mut impl Write) -> io::Result<()> {
    let (info, limits) = (&adapter.info, &adapter.limits);
    writeln!(out, "wgpu:{}  {}", adapter.index, info.name)?;
    writeln!(out, "        {}, {}, driver {} {}", adapter.kind(), info.backend, info.driver, info.driver_info)?;
    writeln!(
        out,
        "        largest buffer {} MiB, largest binding {} MiB, {} storage buffers a stage",
        limits.max_buffer_size / MIB,
        limits.max_storage_buffer_binding_size / MIB,
        limits.max_storage_buffers_per_shader_stage,
    )?;
    writeln!(
        out,
        "        {} invocations and {} KiB of memory a workgroup, {} workgroups a dimension",
        limits.max_compute_invocations_per_workgroup,
        limits.max_compute_workgroup_storage_size / 1024,
        limits.max_compute_workgroups_per_dimension,
    )?;
    match adapter.memory() {
        Some(bytes) => writeln!(out, "        a run may take {} MiB", bytes / MIB)?,
        None => writeln!(out, "        memory unknown: give runs memory.budget_mib")?,
    }
    let yes = |has| if has { "yes" } else { "no" };
    writeln!(out, "        f16 {}, subgroups {}", yes(adapter.has_f16()), yes(adapter.has_subgroups()))
}

/// The sequences that each device would have of a batch that all of them share. A software adapter would only take the CPU's time
/// twice, and a minute to measure.
fn share_of_each(adapters: &[Adapter], out: &mut impl Write) -> anyhow::Result<()> {
    let choices: Vec<DeviceChoice> = std::iter::once(DeviceChoice::Cpu)
        .chain(adapters.iter().map(|adapter| DeviceChoice::Wgpu(Some(adapter.index))))
        .collect();
    let mut speeds = Vec::new();
    for choice in &choices {
        // One that cannot be opened says so where it is asked for.
        if let Ok(device) = open(*choice) {
            speeds.push((choice.to_string(), matmul_flops(&device.device)));
        }
    }
    let names: Vec<&str> = speeds.iter().map(|(name, _)| name.as_str()).collect();
    let flops: Vec<f64> = speeds.iter().map(|(_, flops)| *flops).collect();
    let names = names.join(",");
    writeln!(out, "together (--device {names}), of each 100 sequences by the speed of a matrix product:")?;
    for ((name, flops), rows) in speeds.iter().zip(rows_by_speed(100, &flops)?) {
        writeln!(out, "        {name:7} {:3}   {:.1} GFLOP/s", rows.len(), flops / 1e9)?;
    }
    Ok(())
}
