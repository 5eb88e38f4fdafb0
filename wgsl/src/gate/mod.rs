//! The feed-forward network's activations, each as one operation with its own backward.
//!
//! A tape keeps their inputs alone, where the same formula in single operations keeps four to six tensors of that size.

mod backward;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
mod reference;
#[cfg(test)]
mod tests;

pub(crate) use cpu::{Gelu, ReluSquared, Swiglu};
#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::GateKernel;

use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::Tensor,
};

use crate::check;

/// GELU in its tanh form (Hendrycks and Gimpel 2016, arXiv 1606.08415), `x/2 (1 + tanh u)` with
/// `u = sqrt(2/pi) (x + 0.044715 x^3)`; shape and dtype are those of `x`.
///
/// Computed as `x sigmoid(2u)`, the same function with one exponential and no power.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::tanh_gelu(x.into_dispatch()))
}

/// ReLU squared (So et al. 2021, arXiv 2109.08668), `max(x, 0)^2`; shape and dtype are those of `x`.
pub fn relu_squared<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::relu_squared(x.into_dispatch()))
}

/// SwiGLU (Shazeer 2020, arXiv 2002.05202): `gate sigmoid(gate) up`; shape and dtype are those of both.
///
/// # Panics
/// If `gate` and `up` differ in shape or dtype.
#[track_caller]
pub fn swiglu<const D: usize>(gate: Tensor<D>, up: Tensor<D>) -> Tensor<D> {
    check::one_shape("swiglu", [("gate", &gate), ("up", &up)]);
    check::one_dtype("swiglu", [("gate", gate.dtype()), ("up", up.dtype())]);
    Tensor::from_dispatch(Dispatch::swiglu(gate.into_dispatch(), up.into_dispatch()))
}

/// Backends that can apply [`gelu`], [`relu_squared`] and [`swiglu`]; the default bodies are the reference.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait GateOps: Backend {
    /// See [`gelu`].
    #[fusion(dtype = x, shape = x)]
    fn tanh_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::gelu::<Self>(x)
    }

    /// The gradient of `x`, given that of the result.
    #[fusion(dtype = x, shape = x)]
    fn tanh_gelu_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::gelu_backward::<Self>(x, grad)
    }

    /// See [`relu_squared`].
    #[fusion(dtype = x, shape = x)]
    fn relu_squared(x: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::relu_squared::<Self>(x)
    }

    /// The gradient of `x`, given that of the result.
    #[fusion(dtype = x, shape = x)]
    fn relu_squared_backward(x: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::relu_squared_backward::<Self>(x, grad)
    }

    /// See [`swiglu`].
    #[fusion(dtype = gate, shape = gate)]
    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        reference::swiglu::<Self>(gate, up)
    }

    /// The gradients of `gate` and `up`, given that of the result.
    #[fusion(meta = |gate, up, _grad| (gate.clone(), up.clone()))]
    fn swiglu_backward(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        reference::swiglu_backward::<Self>(gate, up, grad)
    }
}
