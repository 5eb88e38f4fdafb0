//! `hearth devices`.

use std::process::ExitCode;

use clap::Args;
use hearth_data::rows_by_speed;
use hearth_train::devices::{Adapter, DeviceChoice, adapters, matmul_flops, open};

/// List the devices that can train, with their limits.
#[derive(Args)]
pub struct Devices {}

const MIB: u64 = 1 << 20;

impl Devices {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        println!("cpu     {}", open(DeviceChoice::Cpu)?.name);
        let adapters = adapters();
        for adapter in &adapters {
            let (info, limits) = (&adapter.info, &adapter.limits);
            println!("wgpu:{}  {}", adapter.index, info.name);
            println!("        {}, {}, driver {} {}", adapter.kind(), info.backend, info.driver, info.driver_info);
            println!(
                "        largest buffer {} MiB, largest binding {} MiB, {} storage buffers a stage",
                limits.max_buffer_size / MIB,
                limits.max_storage_buffer_binding_size / MIB,
                limits.max_storage_buffers_per_shader_stage,
            );
            println!(
                "        {} invocations and {} KiB of memory a workgroup, {} workgroups a dimension",
                limits.max_compute_invocations_per_workgroup,
                limits.max_compute_workgroup_storage_size / 1024,
                limits.max_compute_workgroups_per_dimension,
            );
            match adapter.memory() {
                Some(bytes) => println!("        a run may take {} MiB", bytes / MIB),
                None => println!("        memory unknown: give runs memory.budget_mib"),
            }
            let yes = |has| if has { "yes" } else { "no" };
            println!("        f16 {}, subgroups {}", yes(adapter.has_f16()), yes(adapter.has_subgroups()));
        }
        if adapters.is_empty() {
            println!("no wgpu adapter: a GPU needs its Vulkan, Metal or DirectX 12 driver installed");
        }
        println!("--device auto takes {}", open(DeviceChoice::Auto)?.name);
        if !adapters.is_empty() {
            shares(&adapters)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What each device would be given of a batch that all of them share.
fn shares(adapters: &[Adapter]) -> anyhow::Result<()> {
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
    println!("together (--device {}), of each 100 sequences by the speed of a matrix product:", names.join(","));
    for ((name, flops), rows) in speeds.iter().zip(rows_by_speed(100, &flops)?) {
        println!("        {name:7} {:3}   {:.1} GFLOP/s", rows.len(), flops / 1e9);
    }
    Ok(())
}
