//! Which kernels run on a device, and what of WebGPU's limits their fronts heed on all of them.

use burn::{
    backend::DispatchDevice,
    tensor::{DType, Device, Tensor},
};

use crate::Kernel;
#[cfg(feature = "gpu")]
use crate::testing;

/// WebGPU's default limit on workgroups in one dimension.
pub const WORKGROUPS_PER_DIMENSION: u32 = 65_535;

/// Whether `kernel` is on and there is a variant of it for `x`.
pub fn takes<const D: usize>(kernel: Kernel, x: &Tensor<D>) -> bool {
    runs(kernel, &x.device(), x.dtype())
}

/// Whether kernels have variants for tensors stored in `dtype`.
#[cfg(feature = "gpu")]
pub fn stored(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16)
}

/// Whether `kernel` is on and `device` has one for tensors stored in `dtype`.
pub fn runs(kernel: Kernel, device: &Device, dtype: DType) -> bool {
    let device = device.clone().without_autodiff();
    let has = match device.as_dispatch() {
        #[cfg(feature = "gpu")]
        DispatchDevice::Cube(cube) => {
            (kernel.has_wgsl_kernel() || testing::has_products()) && stored(dtype) && takes_wgsl(&cube.client())
        }
        DispatchDevice::Flex(_) => dtype == DType::F32,
        _ => false,
    };
    kernel.is_on() && has
}

/// Bytes of the largest buffer that a kernel can have on `device`, where it has such a limit.
pub fn largest_buffer(device: &Device) -> Option<u64> {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(feature = "gpu")]
        DispatchDevice::Cube(cube) => Some(cube.client().properties().memory.max_page_size),
        _ => None,
    }
}

/// Whether it is the CPU, whose kernels have limits of their own.
pub fn is_cpu(device: &Device) -> bool {
    matches!(device.clone().without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
}

/// Whether the runtime behind `client` takes WGSL text (it does not in builds for SPIR-V or MSL).
#[cfg(feature = "gpu")]
pub fn takes_wgsl(client: &cubecl::client::Client) -> bool {
    client.name() == "wgpu<wgsl>"
}
