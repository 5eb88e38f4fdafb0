//! A device that is open.

use std::sync::{Arc, OnceLock};

use burn::tensor::Device;

use super::{DeviceChoice, matmul_flops, memory};
use crate::{parallel::Probe, plan::DeviceLimits};

/// A device that is open.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// Burn's device, without autodiff.
    pub device: Device,
    /// The choice that it was opened for.
    pub(super) choice: DeviceChoice,
    /// Its name for people.
    pub name: String,
    /// Name and driver, which tell it from devices whose kernels and numbers may differ.
    pub adapter: String,
    /// What it can hold and bind.
    pub limits: DeviceLimits,
    /// Whether kernels are compiled at first use.
    pub compiles_kernels: bool,
    /// A sentence for the user where it is not the device that he may have hoped for.
    pub note: Option<String>,
    /// What looks into its steps where it is one of several: none but in tests.
    pub(crate) probe: Option<Probe>,
    /// Its matrix rate in FLOP/s, once that was measured.
    pub(super) rate: Arc<OnceLock<f64>>,
    /// wgpu's device; `None` for the CPU.
    pub(super) handle: Option<wgpu::Device>,
}

impl OpenDevice {
    /// Bytes of memory that are taken now: what the device's pool has reserved, or of the CPU what this process has; `None` where
    /// that is not known.
    pub fn used_memory(&self) -> Option<u64> {
        match &self.handle {
            Some(_) => self.device.memory_pool_usage().map(|usage| usage.bytes_reserved),
            None => memory::of_process(),
        }
    }

    /// Whether both are logical devices of one adapter, or both the CPU.
    pub fn is_same(&self, other: &Self) -> bool {
        self.choice == other.choice
    }

    /// Its matrix rate in FLOP/s: see [`matmul_flops`]. The first call measures it, and takes a quarter of a second.
    pub fn flops(&self) -> f64 {
        *self.rate.get_or_init(|| matmul_flops(&self.device))
    }

    /// The same device, whose steps call `probe` where it is one of several: for tests.
    #[doc(hidden)]
    pub fn with_probe(self, probe: Probe) -> Self {
        Self { probe: Some(probe), ..self }
    }

    /// Loses the device, as a reset of its driver would; for tests. The CPU cannot be lost.
    pub fn lose(&self) {
        self.handle.iter().for_each(wgpu::Device::destroy);
    }
}
