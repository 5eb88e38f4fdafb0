//! `hearth devices`.

use std::process::ExitCode;

use clap::Args;
use hearth_train::devices::{DeviceChoice, adapters, open};

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
        Ok(ExitCode::SUCCESS)
    }
}
