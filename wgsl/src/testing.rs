//! One test body on every device: the CPU backend, and wgpu where an adapter exists.
//!
//! Only for tests. [`each_device!`](crate::each_device) turns a function of a [`Device`] into two tests, `cpu` and
//! `wgpu`. Where no adapter exists the second says so on stderr and passes, unless `HEARTH_REQUIRE_WGPU` is set.

use std::{io::Write, sync::OnceLock};

use burn::tensor::{Device, DeviceKind, wgpu::wgpu};
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig, autotune::AutotuneLevel};

/// The default wgpu adapter of this machine, software ones included, or `None`, said aloud.
///
/// # Panics
/// If there is none and `HEARTH_REQUIRE_WGPU` is set.
pub fn wgpu_device() -> Option<Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let device = DEVICE.get_or_init(open).clone();
    if device.is_none() {
        assert!(
            std::env::var_os("HEARTH_REQUIRE_WGPU").is_none(),
            "HEARTH_REQUIRE_WGPU is set, but this machine has no wgpu adapter"
        );
        // Past the test harness, which would swallow what a passing test prints.
        let _ = writeln!(std::io::stderr(), "SKIPPED on wgpu: no adapter here (HEARTH_REQUIRE_WGPU=1 makes this fail)");
    }
    device
}

fn open() -> Option<Device> {
    // Not OpenGL: an adapter may be found there that the runtime then cannot open.
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let options = wgpu::RequestAdapterOptions::default();
    cubecl::future::block_on(instance.request_adapter(&options)).ok()?;
    // Tests have many small shapes: measuring kernels for each would take longer than running them.
    let mut config = CubeClRuntimeConfig::default();
    config.autotune.level = AutotuneLevel::Minimal;
    CubeClRuntimeConfig::try_set(config);
    Some(Device::wgpu(DeviceKind::DefaultDevice))
}

/// Turns `fn name(device: Device) { .. }` into the tests `name::cpu` and `name::wgpu`.
#[macro_export]
macro_rules! each_device {
    ($(#[$meta:meta])* fn $name:ident($device:ident) $body:block) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn body($device: ::burn::tensor::Device) $body

            #[test]
            fn cpu() {
                body(::burn::tensor::Device::flex());
            }

            #[test]
            fn wgpu() {
                if let Some(device) = $crate::testing::wgpu_device() {
                    body(device);
                }
            }
        }
    };
}
