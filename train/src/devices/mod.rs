//! Which device trains: the CPU backend or a wgpu adapter.

mod adapter;
#[cfg(not(target_family = "wasm"))]
mod host_memory;
mod kernels;
mod memory;
mod peak;

use std::{fmt, str::FromStr};

use burn::tensor::Device;

pub use adapter::{Adapter, adapters};
#[cfg(not(target_family = "wasm"))]
pub use host_memory::keep_freed_host_memory;
pub use kernels::PinnedKernels;
pub use peak::matmul_flops;

use crate::{TrainError, plan::Limits};

/// What `--device` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A discrete GPU, else an integrated or virtual one, else the CPU backend. Never a software adapter.
    #[default]
    Auto,
    /// The CPU backend (Burn's Flex).
    Cpu,
    /// A wgpu adapter by its number in [`adapters`]; without one the best there is, software included.
    Wgpu(Option<usize>),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "wgpu" => Ok(Self::Wgpu(None)),
            Some(("wgpu", index)) if index.parse::<usize>().is_ok() => Ok(Self::Wgpu(index.parse().ok())),
            _ => Err(format!("\"{text}\" is not a device: give auto, cpu, wgpu or wgpu:N")),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Cpu => write!(f, "cpu"),
            Self::Wgpu(None) => write!(f, "wgpu"),
            Self::Wgpu(Some(index)) => write!(f, "wgpu:{index}"),
        }
    }
}

/// A device that is ready.
#[derive(Clone, Debug)]
pub struct OpenDevice {
    /// For tensors; without autodiff.
    pub device: Device,
    /// What was asked for.
    choice: DeviceChoice,
    /// What it is, for people.
    pub name: String,
    /// What it is to the bit: name and driver.
    pub adapter: String,
    /// What it can hold and bind.
    pub limits: Limits,
    /// Whether kernels are compiled at first use.
    pub compiles_kernels: bool,
    /// Why it is not what was hoped for, if so: one sentence.
    pub note: Option<String>,
    /// How many times as long a walk is made to take: 1 but for tests.
    pub(crate) slowed: f64,
    /// wgpu's own.
    handle: Option<wgpu::Device>,
}

impl OpenDevice {
    /// Another logical device on the same adapter, for when this one is lost.
    ///
    /// # Errors
    /// As [`open`].
    pub fn reopen(&self) -> Result<Self, TrainError> {
        open(self.choice)
    }

    /// Whether both are logical devices of one adapter, or both the CPU.
    pub fn is_same(&self, other: &Self) -> bool {
        self.choice == other.choice
    }

    /// The same device, whose walks take `factor` times as long when it is one of several beside the first: for tests.
    pub fn slowed(self, factor: f64) -> Self {
        Self { slowed: factor, ..self }
    }

    /// Loses the device, as a reset of its driver would; for tests. The CPU cannot be lost.
    pub fn lose(&self) {
        self.handle.iter().for_each(wgpu::Device::destroy);
    }
}

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
                TrainError::Device(match index {
                    Some(index) if found > 0 => format!(
                        "there is no device wgpu:{index}: this machine has wgpu:0 to wgpu:{}; see `hearth devices`",
                        found - 1
                    ),
                    _ => "this machine has no wgpu adapter: install a Vulkan driver, or use --device cpu".into(),
                })
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
        limits: Limits { memory: memory::of_host(), apart: false, tensor: None, watched: false, kernels: false },
        compiles_kernels: false,
        note,
        choice: DeviceChoice::Cpu,
        adapter: format!("CPU, Burn Flex, {}", std::env::consts::ARCH),
        slowed: 1.0,
        handle: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_round_trip_and_nonsense_is_refused() {
        for text in ["auto", "cpu", "wgpu", "wgpu:3"] {
            assert_eq!(text.parse::<DeviceChoice>().unwrap().to_string(), text);
        }
        for text in ["gpu", "wgpu:", "wgpu:-1", "cpu:0", ""] {
            let error = text.parse::<DeviceChoice>().unwrap_err();
            assert_eq!(error, format!("\"{text}\" is not a device: give auto, cpu, wgpu or wgpu:N"));
        }
    }

    #[test]
    fn an_adapter_that_is_not_there_is_an_error() {
        let error = open(DeviceChoice::Wgpu(Some(99))).unwrap_err().to_string();
        assert!(error.contains("there is no device wgpu:99") || error.contains("has no wgpu adapter"), "{error}");
    }
}
