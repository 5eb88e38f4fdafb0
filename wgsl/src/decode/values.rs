//! Tensors of the CPU backend as slices that outlive the call.

use std::ops::Deref;

use burn::{
    backend::{Flex, tensor::FloatTensor},
    tensor::{DType, Tensor},
};

use crate::{
    Kernel,
    cpu::{contiguous, values},
};

/// The kernels whose work a decoding step does.
const OF_A_STEP: [Kernel; 6] =
    [Kernel::Attention, Kernel::Embedding, Kernel::Gate, Kernel::Norm, Kernel::Product, Kernel::Rope];

/// The numbers of a tensor, in their order; it is kept, and not copied unless it is a view with gaps.
#[derive(Clone, Debug)]
pub struct HostValues(FloatTensor<Flex>);

impl HostValues {
    /// Those of a tensor on the CPU, without autodiff and in f32; `None` for others, and where one of the kernels of a decoding step is
    /// switched off.
    pub fn of<const D: usize>(x: Tensor<D>) -> Option<Self> {
        let x = x.try_into_primitive::<Flex>().ok()?;
        (x.dtype() == DType::F32 && OF_A_STEP.iter().all(|kernel| kernel.is_on())).then(|| Self(contiguous(x)))
    }
}

impl Deref for HostValues {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        values(&self.0)
    }
}
