//! What computes in this module.

use burn::tensor::Device;
use hearth_train::{TrainError, plan::DeviceLimits};

use crate::messages::{DeviceInfo, ModuleName};

/// Bytes that a step may take: of the 4 GiB that a module can address, half, for a checkpoint and a copy of it lie beside.
#[cfg(not(feature = "gpu"))]
const MODULE_MEMORY: u64 = 2 << 30;

/// The device of this module.
pub struct WorkerDevice {
    /// Where tensors are.
    pub device: Device,
    /// What it can hold and bind.
    pub limits: DeviceLimits,
    /// What the page is told of it.
    pub info: DeviceInfo,
}

impl WorkerDevice {
    /// Opens it.
    ///
    /// # Errors
    /// There is none.
    #[cfg(not(feature = "gpu"))]
    pub async fn open() -> Result<Self, TrainError> {
        let mut limits = DeviceLimits::of_host();
        limits.memory = Some(MODULE_MEMORY);
        let info = DeviceInfo {
            module: ModuleName::Cpu,
            name: "the processor, one thread".into(),
            software: false,
            missing: Vec::new(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        Ok(Self { device: Device::flex(), limits, info })
    }

    /// Its name in a checkpoint's manifest.
    pub fn adapter(&self) -> String {
        format!("{} (browser)", self.info.name)
    }
}
