//! What computes: the processor or, in the large module, a GPU behind WebGPU.

mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
mod opened;

use hearth_train::TrainError;

pub use opened::WorkerDevice;

use crate::platform::Platform;

/// Opens what this worker is to compute on.
///
/// # Errors
/// There is no such device, or it does not open.
#[cfg_attr(not(feature = "gpu"), expect(clippy::unused_async, reason = "a GPU is waited for"))]
pub async fn open(platform: &dyn Platform) -> Result<WorkerDevice, TrainError> {
    #[cfg(feature = "gpu")]
    if platform.wants_gpu() {
        return gpu::open(platform).await;
    }
    let _ = platform;
    Ok(cpu::open())
}
