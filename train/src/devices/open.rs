//! Opening devices.

use std::sync::Arc;

use burn::tensor::Device;

use super::{Adapter, DeviceChoice, OpenDevice, adapters, memory};
use crate::{TrainError, error::DeviceError, plan::DeviceLimits};

/// Opens the device that `choice` asks for.
///
/// # Errors
/// An adapter that does not exist, lacks what is needed or refuses; never under [`DeviceChoice::Auto`], which goes on
/// with the CPU and says why in [`OpenDevice::note`].
pub fn open(choice: DeviceChoice) -> Result<OpenDevice, TrainError> {
    match choice {
        DeviceChoice::Cpu => Ok(cpu(None)),
        DeviceChoice::Auto => Ok(open_auto()),
        DeviceChoice::Wgpu(index) => {
            let mut adapters = adapters();
            let found = adapters.len();
            let position = match index {
                Some(index) => adapters.iter().position(|adapter| adapter.index == index),
                None => (0..found).max_by_key(|at| adapters[*at].rank()),
            };
            let position = position.ok_or_else(|| {
                index
                    .filter(|_| found > 0)
                    .map_or(DeviceError::NoAdapter, |index| DeviceError::NoSuchAdapter { index, last: found - 1 })
            })?;
            adapters.swap_remove(position).open()
        }
    }
}

fn open_auto() -> OpenDevice {
    let mut hardware: Vec<Adapter> = adapters().into_iter().filter(Adapter::is_hardware).collect();
    hardware.sort_by_key(|adapter| std::cmp::Reverse(adapter.rank()));
    let mut note = "no GPU found, so the CPU trains (`hearth devices` lists what there is)".to_string();
    for adapter in hardware {
        match adapter.open() {
            Ok(device) => return device,
            Err(error) => note = format!("{error}; the CPU trains instead"),
        }
    }
    cpu(Some(note))
}

fn cpu(note: Option<String>) -> OpenDevice {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    OpenDevice {
        device: Device::flex(),
        name: format!("CPU, {threads} threads (Burn Flex)"),
        limits: DeviceLimits { memory: memory::of_host(), ..DeviceLimits::of_host() },
        compiles_kernels: false,
        note,
        choice: DeviceChoice::Cpu,
        adapter: format!("CPU, Burn Flex, {}", std::env::consts::ARCH),
        probe: None,
        rate: Arc::default(),
        handle: None,
    }
}

impl OpenDevice {
    /// Another logical device on the same adapter, for when this one is lost.
    ///
    /// # Errors
    /// As [`open`].
    pub fn reopen(&self) -> Result<Self, TrainError> {
        open(self.choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_that_is_not_there_is_an_error() {
        let error = open(DeviceChoice::Wgpu(Some(99))).unwrap_err().to_string();
        assert!(error.contains("there is no device wgpu:99") || error.contains("has no wgpu adapter"), "{error}");
    }
}
