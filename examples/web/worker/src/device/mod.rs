//! What computes in this module: the processor, or a GPU behind WebGPU.

#[cfg(not(feature = "gpu"))]
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;

use burn::tensor::Device;
use hearth_train::plan::DeviceLimits;

use crate::messages::DeviceInfo;

/// The device of this module.
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
