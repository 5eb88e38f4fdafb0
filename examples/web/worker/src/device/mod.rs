//! What computes: the processor or, in the large module, a GPU behind WebGPU.

mod cpu;
#[cfg(feature = "gpu")]
mod gpu;

use burn::tensor::Device;
use hearth_train::{TrainError, plan::DeviceLimits};

use crate::{messages::DeviceInfo, platform::Platform};

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
    /// Opens what this worker is to compute on.
    ///
    /// # Errors
    /// There is no such device, or it does not open.
    #[cfg_attr(not(feature = "gpu"), expect(clippy::unused_async, reason = "a GPU is waited for"))]
    pub async fn open(platform: &dyn Platform) -> Result<Self, TrainError> {
        #[cfg(feature = "gpu")]
        if platform.wants_gpu() {
            return gpu::open(platform).await;
        }
        let _ = platform;
        Ok(cpu::open())
    }

    /// Its name in a checkpoint's manifest.
    pub fn adapter(&self) -> String {
        format!("{} (browser)", self.info.name)
    }
}
