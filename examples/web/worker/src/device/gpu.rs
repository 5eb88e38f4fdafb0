//! A GPU behind WebGPU.
//!
//! Whatever it reports ends what is under way ([`fault`]): an error in a browser stops one command alone, and everything
//! computed after it is wrong.

use std::{sync::Arc, time::Duration};

use burn::tensor::{
    Device, Distribution, Tensor,
    wgpu::{WgpuSetup, wgpu},
};
use hearth_train::{
    TrainError,
    error::DeviceError,
    plan::{DeviceLimits, KernelSet},
    readback::Readback,
};
use hearth_wgsl::add_product;
use wgpu::{
    AdapterInfo, DeviceDescriptor, DeviceType, Error, Features, Instance, InstanceDescriptor, RequestAdapterOptions,
};

use super::opened::WorkerDevice;
use crate::{
    fault,
    messages::{DeviceInfo, ModuleName, TroubleKind},
    platform::Platform,
};

/// Rows and columns of the matrices by which the device is timed.
const SIDE: usize = 256;
/// Products that are timed.
const PRODUCTS: usize = 4;

/// Opens the adapter that the browser prefers, with all of its limits.
///
/// # Errors
/// The browser gives none, or it opens no device.
pub async fn open(platform: &dyn Platform) -> Result<WorkerDevice, TrainError> {
    let refuse = |reason: String| TrainError::Device(DeviceError::Failed { reason });
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle());
    let options =
        RequestAdapterOptions { power_preference: wgpu::PowerPreference::HighPerformance, ..Default::default() };
    let adapter = instance
        .request_adapter(&options)
        .await
        .map_err(|error| refuse(format!("this browser gives no GPU: {error}")))?;
    let (info, limits) = (adapter.get_info(), adapter.limits());
    let request = DeviceDescriptor {
        label: Some("hearth"),
        // Time stamps would make the browser ask for them; nothing here reads them.
        required_features: adapter.features() & Features::SHADER_F16,
        required_limits: limits.clone(),
        memory_hints: wgpu::MemoryHints::MemoryUsage,
        ..Default::default()
    };
    let (device, queue) =
        adapter.request_device(&request).await.map_err(|error| refuse(format!("the GPU opens no device: {error}")))?;
    let handle = device.clone();
    let missing = missing(&adapter, &info);
    let setup = WgpuSetup { instance, adapter, device, queue, backend: info.backend };
    let device = Device::wgpu_options().setup(setup).init().map_err(|error| refuse(error.to_string()))?;
    // After the runtime has set its own, which would end in a panic that nothing else hears of.
    report_faults(&handle);
    let flops = flops(&device, platform).await?;
    let most = limits.max_buffer_size.min(limits.max_storage_buffer_binding_size);
    let mut limits = DeviceLimits::of_host();
    (limits.tensor, limits.watchdog, limits.kernels) = (Some(most), true, KernelSet::Wgsl);
    let info = DeviceInfo {
        module: ModuleName::Gpu,
        name: platform.gpu_name().await,
        software: info.device_type == DeviceType::Cpu,
        missing,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    Ok(WorkerDevice { device, limits, info, flops })
}

/// From here on what the device reports is a fault. That it is lost the runtime hears of itself, and logs.
fn report_faults(device: &wgpu::Device) {
    device.on_uncaptured_error(Arc::new(|error| match error {
        Error::OutOfMemory { .. } => {
            fault::report(TroubleKind::OutOfMemory, "the GPU has no more memory: take a smaller model or batch");
        }
        other => fault::report(TroubleKind::GpuError, other.to_string()),
    }));
}

/// What would help and is not there.
fn missing(adapter: &wgpu::Adapter, info: &AdapterInfo) -> Vec<String> {
    let mut missing = Vec::new();
    if info.device_type == DeviceType::Cpu {
        missing.push("hardware: the browser offers only a GPU that the processor imitates".into());
    }
    if !adapter.features().contains(Features::SHADER_F16) {
        missing.push("numbers of half the size (shader-f16)".into());
    }
    missing
}

/// Rate at which it multiplies matrices, by which a step is cut so that no kernel takes too long.
async fn flops(device: &Device, platform: &dyn Platform) -> Result<f64, TrainError> {
    let matrix = Tensor::<2>::random([SIDE, SIDE], Distribution::Uniform(-0.1, 0.1), device);
    let mut fastest = Duration::MAX;
    // The first makes the kernel.
    for _ in 0..3 {
        let before = platform.now();
        let product = (0..PRODUCTS).fold(matrix.clone(), |product, _| add_product(None, product, matrix.clone()));
        Readback::new(product.slice([0..1, 0..1])).data().await.map_err(TrainError::of_device)?;
        fastest = fastest.min(platform.now() - before);
    }
    Ok(PRODUCTS as f64 * 2.0 * (SIDE as f64).powi(3) / fastest.as_secs_f64().max(1e-6))
}
