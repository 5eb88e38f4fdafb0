//! Softmax over the last axis as one operation with its own backward.
//!
//! Burn's Flex computes softmax in one pass where no tape runs, and in five operations on a tape, with other bits.
//! Here both ways run the same forward, so that a segment that is computed twice gives the same bits twice; and the
//! tape keeps the result alone.

mod backward;
mod cpu;
mod reference;
#[cfg(test)]
mod tests;

use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::Tensor,
};
#[cfg(feature = "gpu")]
use burn_cubecl::CubeBackend;

/// `exp(x) / sum(exp(x))` over the last axis, computed from `x - max(x)`; shape and dtype are those of `x`.
pub fn softmax<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::softmax_rows(x.into_dispatch()))
}

/// Backends that can apply [`softmax`]; the default bodies are the reference.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait SoftmaxOps: Backend {
    /// See [`softmax`].
    #[fusion(default)]
    fn softmax_rows(x: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::softmax::<Self>(x)
    }

    /// The gradient of `x`, given the result and its gradient.
    #[fusion(default)]
    fn softmax_rows_backward(y: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::softmax_backward::<Self>(y, grad)
    }
}

#[cfg(feature = "gpu")]
impl SoftmaxOps for CubeBackend {}
