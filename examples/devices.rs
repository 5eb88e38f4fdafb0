//! The examples of several devices hold what they print. On wgpu `train/tests/parallel` does: here kernels would be chosen
//! for five more devices.

#[path = "multi_device/main.rs"]
mod multi_device;
#[path = "pipeline/main.rs"]
mod pipeline;

use hearth_train::devices::DeviceChoice;

#[test]
fn they_hold_what_they_print() {
    let device = DeviceChoice::Cpu;
    let (summary, difference) = multi_device::compare(&multi_device::Arguments { device }).unwrap();
    assert_eq!(summary.devices.len(), 2);
    assert!(difference < 1e-4, "{difference}");
    assert!(pipeline::compare(&pipeline::Arguments { device }).unwrap());
}
