//! Where the device's kernels may not be merged.

use burn::tensor::Device;

/// Ends what Burn's fusion may merge and hands it to the device, without waiting.
///
/// Merged kernels may sum in another order. With a boundary around each pass of each block, its kernels are the same
/// whatever ran before, so that a pass that is run again gives the same bits.
pub(super) fn boundary(device: &Device) {
    // A device that is lost says so at the next read.
    let _ = device.flush();
}
