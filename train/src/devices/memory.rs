//! How much memory there is, where it can be known.

/// Share of a device's memory that a run may take: the system, other programs and drivers need the rest.
const SHARE: f64 = 0.9;

/// Bytes of host memory that a run may take; `None` where the system does not say.
pub fn of_host() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(share(kib << 10))
}

/// Bytes of an adapter's own memory that a run may take. Only Vulkan says; wgpu itself has no way to ask.
#[cfg(not(target_vendor = "apple"))]
pub fn of_adapter(adapter: &wgpu::Adapter) -> Option<u64> {
    const DEVICE_LOCAL: u32 = 1;
    // SAFETY: the handles are only read, and do not outlive the adapter that lends them.
    let properties = unsafe {
        let adapter = adapter.as_hal::<wgpu::hal::api::Vulkan>()?;
        let instance = adapter.shared_instance().raw_instance();
        instance.get_physical_device_memory_properties(adapter.raw_physical_device())
    };
    let heaps = &properties.memory_heaps[..properties.memory_heap_count as usize];
    heaps.iter().filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0).map(|heap| share(heap.size)).max()
}

/// Metal does not say through wgpu.
#[cfg(target_vendor = "apple")]
pub fn of_adapter(_adapter: &wgpu::Adapter) -> Option<u64> {
    None
}

/// Bytes of host memory that this process has; `None` where the system does not say.
pub fn of_process() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib << 10)
}

fn share(bytes: u64) -> u64 {
    (bytes as f64 * SHARE) as u64
}
