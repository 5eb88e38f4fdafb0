//! Tensors in host memory while the device does not need them.

use burn::tensor::{Device, Tensor, TensorData};

use crate::readback::Readback;

/// A tensor that waits in host memory.
#[derive(Debug)]
pub(super) struct Offloaded {
    copy: Readback,
    device: Device,
}

impl Offloaded {
    /// Queues the copy to host memory and lets go of the device's; nothing waits.
    pub fn new<const D: usize>(tensor: Tensor<D>) -> Self {
        let device = tensor.device();
        Self { copy: Readback::new(tensor), device }
    }

    /// Waits for the copy and frees the buffer that it passed through.
    ///
    /// Called one segment later, when the device has that segment's work before it.
    pub fn settle(&mut self) {
        self.copy.settle();
    }

    /// The tensor on its device again. Waits for the copy, which by then lies far back in the device's queue.
    pub fn restore<const D: usize>(self) -> Tensor<D> {
        let device = self.device.clone();
        Tensor::from_data(self.values(), &device)
    }

    /// The tensor's values. Waits as [`Offloaded::restore`] does.
    ///
    /// # Panics
    /// If the device is lost, as every operation on it then does.
    pub fn values(self) -> TensorData {
        self.copy.wait().unwrap_or_else(|error| panic!("a tensor did not reach host memory: {error:?}"))
    }
}
