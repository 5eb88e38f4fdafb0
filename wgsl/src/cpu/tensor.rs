//! Tensors of the CPU backend as slices.

use burn::{
    backend::{Flex, tensor::FloatTensor, tensor::IntTensor},
    tensor::{DType, Shape, TensorData},
};

use super::buffers;
use crate::Kernel;

/// Whether `kernel` is on and computes in what `x` is stored in.
pub fn takes(kernel: Kernel, x: &FloatTensor<Flex>) -> bool {
    kernel.is_on() && x.dtype() == DType::F32
}

/// The tensor without gaps between its elements, in their order.
pub fn contiguous(x: FloatTensor<Flex>) -> FloatTensor<Flex> {
    if x.as_slice::<f32>().is_some() { x } else { x.to_contiguous() }
}

/// The elements of a tensor that is [`contiguous`].
pub fn values(x: &FloatTensor<Flex>) -> &[f32] {
    x.as_slice().expect("a contiguous tensor in f32")
}

/// The elements of a tensor that is [`contiguous`], to be written: where another tensor has the same memory, in a copy.
pub fn values_mut(x: &mut FloatTensor<Flex>) -> &mut [f32] {
    let (start, end) = x.layout().contiguous_offsets().expect("a contiguous tensor");
    &mut x.storage_mut()[start..end]
}

/// Ids and the like, whichever integers they are stored in.
pub fn integers(x: IntTensor<Flex>) -> Vec<i64> {
    x.into_data().iter().collect()
}

/// A tensor of any values.
pub fn new(shape: Shape) -> FloatTensor<Flex> {
    let bytes = buffers::bytes(shape.num_elements());
    FloatTensor::<Flex>::from_data(TensorData::from_bytes(bytes, shape, DType::F32))
}
