//! The device that trains: the CPU backend or a wgpu adapter.

mod adapter;
mod choice;
mod device;
#[cfg(not(target_family = "wasm"))]
mod host_memory;
mod kernels;
mod memory;
mod open;
mod peak;
#[cfg(not(target_family = "wasm"))]
mod quiet;

pub use adapter::{Adapter, adapters};
pub use choice::DeviceChoice;
pub use device::OpenDevice;
#[cfg(not(target_family = "wasm"))]
pub use host_memory::keep_freed_host_memory;
pub use kernels::PinnedKernels;
#[cfg(not(target_family = "wasm"))]
pub(crate) use memory::of_host as host_memory;
pub use open::open;
pub use peak::matmul_flops;
#[cfg(not(target_family = "wasm"))]
pub use quiet::quiet_drivers;
