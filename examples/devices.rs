//! The examples of several devices hold what they print, on the CPU and on wgpu.

#[path = "multi_device/main.rs"]
mod multi_device;
#[path = "pipeline/main.rs"]
mod pipeline;

use hearth_train::devices::DeviceChoice;

fn hold(device: DeviceChoice) {
    let (summary, difference) = multi_device::compare(&multi_device::Arguments { device }).unwrap();
    assert_eq!(summary.devices.len(), 2);
    assert!(difference < 1e-4, "{difference}");
    assert!(pipeline::compare(&pipeline::Arguments { device }).unwrap());
}

#[test]
fn cpu() {
    hold(DeviceChoice::Cpu);
}

#[test]
fn wgpu() {
    if hearth_wgsl::testing::wgpu_device().is_some() {
        hold(DeviceChoice::Wgpu(None));
    }
}
