//! A device that is open.

use burn::tensor::Device;
use hearth_train::plan::DeviceLimits;

use crate::messages::DeviceInfo;

/// What a worker computes on.
pub struct WorkerDevice {
    /// Where tensors are.
    pub device: Device,
    /// What it can hold and bind.
    pub limits: DeviceLimits,
    /// What the page is told of it.
    pub info: DeviceInfo,
    /// Rate at which it multiplies matrices, FLOP/s; 0 where nobody has to know.
    pub flops: f64,
}

impl WorkerDevice {
    /// Its name in a checkpoint's manifest.
    pub fn adapter(&self) -> String {
        format!("{} (browser)", self.info.name)
    }
}
