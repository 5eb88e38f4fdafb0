//! The adapter that tests run on, and kernels that are wrong on purpose.

use std::{
    cell::Cell,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use burn::tensor::{Device, DeviceKind, wgpu::wgpu};
use cubecl::config::{
    CubeClRuntimeConfig, RuntimeConfig,
    autotune::{AutotuneLevel, BenchConfig},
};

use super::skipped::skipped;
use crate::Kernel;

/// The default wgpu adapter of this machine, software ones included, or `None`, said aloud. With `HEARTH_KERNELS=plain` its
/// tests go without Hearth's kernels.
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
        skipped("no wgpu adapter here (HEARTH_REQUIRE_WGPU=1 makes this fail)");
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
    config.autotune.bench =
        BenchConfig { min_samples: 1, max_samples: 1, short_circuit_samples: 1, ..Default::default() };
    CubeClRuntimeConfig::try_set(config);
    if std::env::var("HEARTH_KERNELS").is_ok_and(|kernels| kernels == "plain") {
        Kernel::ALL.iter().for_each(|kernel| kernel.switch(false));
    }
    Some(Device::wgpu(DeviceKind::DefaultDevice))
}

thread_local! {
    static PRODUCTS: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` with the products that a browser has, wherever it is.
pub fn with_products<R>(work: impl FnOnce() -> R) -> R {
    let before = PRODUCTS.replace(true);
    let result = work();
    PRODUCTS.set(before);
    result
}

/// Whether products on a GPU are those of a browser, on this thread.
pub(crate) fn has_products() -> bool {
    PRODUCTS.get()
}

/// A wrong kernel: other text in some shaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ShaderFault {
    /// Text that tells the shaders that are faulty, a constant's value for one.
    pub only_in: &'static str,
    /// Text of theirs that is replaced.
    pub text: &'static str,
    /// The text in its place.
    pub becomes: &'static str,
}

static FAULT: Mutex<Option<ShaderFault>> = Mutex::new(None);
static IS_FAULTY: AtomicBool = AtomicBool::new(false);

/// Makes kernels wrong, for the whole process and what it asks for from now on, so that a test may see who finds it; `None`
/// makes them right again.
pub fn inject(fault: Option<ShaderFault>) {
    *FAULT.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    IS_FAULTY.store(fault.is_some(), Ordering::Relaxed);
}

/// The fault that a shader has, as a part of its kernel's id.
pub(crate) fn fault_in(text: impl FnOnce() -> String) -> Option<ShaderFault> {
    if !IS_FAULTY.load(Ordering::Relaxed) {
        return None;
    }
    let fault = (*FAULT.lock().unwrap_or_else(PoisonError::into_inner))?;
    let text = text();
    (text.contains(fault.only_in) && text.contains(fault.text)).then_some(fault)
}

/// The shader with the fault that it has.
pub(crate) fn with_fault(text: String) -> String {
    match fault_in(|| text.clone()) {
        Some(fault) => text.replace(fault.text, fault.becomes),
        None => text,
    }
}
