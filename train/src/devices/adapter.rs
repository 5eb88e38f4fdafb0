//! The wgpu adapters of this machine.

use std::sync::Arc;

use burn::tensor::{Device, wgpu::WgpuSetup};
use wgpu::{AdapterInfo, Backends, DeviceType, DownlevelFlags, Features, Instance, InstanceDescriptor, Limits};

use super::{DeviceChoice, OpenDevice, memory};
use crate::{
    TrainError,
    error::DeviceError,
    plan::{DeviceLimits, KernelSet},
};

/// One adapter, not opened yet.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// The number N of `--device wgpu:N`.
    pub index: usize,
    /// Its name, driver, graphics API and kind.
    pub info: AdapterInfo,
    /// The most that it can be asked for.
    pub limits: Limits,
    instance: Instance,
    adapter: wgpu::Adapter,
}

/// All adapters that this build can use (Vulkan, Metal, DirectX 12), in the order the system gives them.
pub fn adapters() -> Vec<Adapter> {
    let mut descriptor = InstanceDescriptor::new_without_display_handle();
    descriptor.backends = Backends::PRIMARY;
    let instance = Instance::new(descriptor);
    let found = pollster::block_on(instance.enumerate_adapters(Backends::PRIMARY));
    found
        .into_iter()
        .enumerate()
        .map(|(index, adapter)| Adapter {
            index,
            info: adapter.get_info(),
            limits: adapter.limits(),
            instance: instance.clone(),
            adapter,
        })
        .collect()
}

impl Adapter {
    /// Whether it is a GPU, and not software.
    pub fn is_hardware(&self) -> bool {
        matches!(self.info.device_type, DeviceType::DiscreteGpu | DeviceType::IntegratedGpu | DeviceType::VirtualGpu)
    }

    /// Order of preference, larger is better: discrete, integrated, virtual, unknown, software.
    pub fn rank(&self) -> u8 {
        match self.info.device_type {
            DeviceType::DiscreteGpu => 4,
            DeviceType::IntegratedGpu => 3,
            DeviceType::VirtualGpu => 2,
            DeviceType::Other => 1,
            DeviceType::Cpu => 0,
        }
    }

    /// Its kind in words.
    pub fn kind(&self) -> &'static str {
        match self.info.device_type {
            DeviceType::DiscreteGpu => "discrete GPU",
            DeviceType::IntegratedGpu => "integrated GPU",
            DeviceType::VirtualGpu => "virtual GPU",
            DeviceType::Other => "unknown kind",
            DeviceType::Cpu => "software",
        }
    }

    /// Whether shaders may use 16-bit floats.
    pub fn has_f16(&self) -> bool {
        self.adapter.features().contains(Features::SHADER_F16)
    }

    /// Whether shaders may use subgroup operations.
    pub fn has_subgroups(&self) -> bool {
        self.adapter.features().contains(Features::SUBGROUP)
    }

    /// Bytes of its own memory that a run may take, where that can be known.
    pub fn memory(&self) -> Option<u64> {
        memory::of_adapter(&self.adapter)
    }

    /// Opens a logical device with all of the adapter's limits.
    ///
    /// # Errors
    /// An adapter without compute shaders, or one that refuses.
    pub fn open(self) -> Result<OpenDevice, TrainError> {
        let limits = self.limits.clone();
        self.open_within(limits)
    }

    /// As [`Adapter::open`], with these limits and no more.
    ///
    /// # Errors
    /// As [`Adapter::open`], or limits beyond the adapter's.
    pub fn open_within(self, limits: Limits) -> Result<OpenDevice, TrainError> {
        let name = format!("{} ({}, {})", self.info.name, self.info.backend, self.kind());
        let fail = |reason: String| DeviceError::Refused { index: self.index, adapter: name.clone(), reason };
        if !self.adapter.get_downlevel_capabilities().flags.contains(DownlevelFlags::COMPUTE_SHADERS) {
            return Err(fail("has no compute shaders".into()).into());
        }
        // What Burn itself asks for, less the experimental features, whose use would be unsafe.
        let features = self.adapter.features() - Features::MAPPABLE_PRIMARY_BUFFERS - Features::all_experimental_mask();
        let request = wgpu::DeviceDescriptor {
            label: Some("hearth"),
            required_features: features,
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) =
            pollster::block_on(self.adapter.request_device(&request)).map_err(|error| fail(error.to_string()))?;
        let limits = DeviceLimits {
            memory: self.memory(),
            apart: has_own_memory(self.info.device_type),
            tensor: Some(limits.max_buffer_size.min(limits.max_storage_buffer_binding_size)),
            watchdog: self.info.device_type != DeviceType::Cpu,
            kernels: KernelSet::Wgsl,
        };
        let handle = Some(device.clone());
        let setup =
            WgpuSetup { instance: self.instance, adapter: self.adapter, device, queue, backend: self.info.backend };
        let device = Device::wgpu_options().setup(setup).init().map_err(|error| DeviceError::Refused {
            index: self.index,
            adapter: name.clone(),
            reason: error.to_string(),
        })?;
        let note = (self.info.device_type == DeviceType::Cpu)
            .then(|| "this is a software adapter: right, but far slower than --device cpu".to_string());
        let choice = DeviceChoice::Wgpu(Some(self.index));
        let adapter = format!("{name}, {} {}", self.info.driver, self.info.driver_info);
        let rate = Arc::default();
        Ok(OpenDevice {
            device,
            choice,
            name,
            adapter,
            limits,
            compiles_kernels: true,
            note,
            probe: None,
            rate,
            handle,
        })
    }
}

/// Whether a device of this kind has memory apart from the host's, so that moving tensors to the host makes room on it. An
/// integrated GPU, Apple's among them (wgpu tells these by Metal's `hasUnifiedMemory`), and a program that plays a GPU use the
/// host's own; of a virtual or unknown one nothing is known, and to keep tensors where they are is never wrong.
fn has_own_memory(kind: DeviceType) -> bool {
    kind == DeviceType::DiscreteGpu
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_discrete_gpu_has_memory_of_its_own() {
        assert!(has_own_memory(DeviceType::DiscreteGpu));
        for kind in [DeviceType::IntegratedGpu, DeviceType::VirtualGpu, DeviceType::Cpu, DeviceType::Other] {
            assert!(!has_own_memory(kind), "{kind:?}");
        }
    }
}
