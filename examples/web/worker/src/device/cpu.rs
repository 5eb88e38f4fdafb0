//! The processor.

use burn::tensor::Device;
use hearth_train::plan::DeviceLimits;

use super::opened::WorkerDevice;
use crate::messages::{DeviceInfo, ModuleName};

/// Bytes that a step may take: of the 4 GiB that a module can address, half, for a checkpoint and a copy of it lie beside.
const MODULE_MEMORY: u64 = 2 << 30;

/// Opens it.
pub fn open() -> WorkerDevice {
    let mut limits = DeviceLimits::of_host();
    limits.memory = Some(MODULE_MEMORY);
    let info = DeviceInfo {
        module: ModuleName::Cpu,
        name: "the processor, one thread".into(),
        software: false,
        missing: Vec::new(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    WorkerDevice { device: Device::flex(), limits, info, flops: 0.0 }
}
