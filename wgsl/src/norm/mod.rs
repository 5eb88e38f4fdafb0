//! RMS and layer normalisation over the last axis, with scale and shift.
//!
//! A tape keeps the input, which a block keeps anyway, and two numbers a row. In plain operations it keeps the normalised
//! rows too.

mod backward;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
mod options;
mod reference;
#[cfg(test)]
pub(crate) mod tests;

// What stands for a tensor where operations are merged, which in a browser they are not.
#[cfg(not(target_family = "wasm"))]
use burn::{backend::fusion::custom::TensorSpec, tensor::DType};
use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::Tensor,
};

pub(crate) use cpu::normalize_row;
#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;
#[cfg(test)]
use reference::normalize;

pub use options::NormOptions;

use crate::{Kernel, check, choice::takes};

/// Which of the kernels' variants runs.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    options: NormOptions,
    /// Whether there is a shift.
    shifted: bool,
    /// Whether rows are summed by subgroups even where the adapter does not say that it has them.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "the CPU has none"))]
    subgroups: bool,
}

/// `x / sqrt(mean(x^2) + eps) * gamma + beta` over the last axis; where `centred`, of `x - mean(x)` instead of `x`.
///
/// Shape and dtype are those of `x` `[.., C]`; `gamma` and `beta` are `[C]` and of its dtype. Layer normalisation is RMS
/// normalisation of the centred input (Zhang and Sennrich 2019, arXiv 1910.07467, section 3), so one body does both.
/// Differentiable in all.
///
/// # Panics
/// If `gamma` or `beta` has another length than the rows of `x`, or another dtype than `x`, or `C` is 0.
#[track_caller]
pub fn norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    options: NormOptions,
) -> Tensor<D> {
    let (shape, width) = (x.dims(), x.dims()[D - 1]);
    for (name, vector) in [("gamma", &gamma)].into_iter().chain(beta.as_ref().map(|beta| ("beta", beta))) {
        let one_each = width > 0 && vector.dims() == [width];
        check::shapes("norm", one_each, [("x", &shape), (name, &vector.dims())], "must have one value a channel");
        check::one_dtype("norm", [("x", x.dtype()), (name, vector.dtype())]);
    }
    run(x, gamma, beta, options, false)
}

/// See [`norm`]; with `subgroups` rows are summed by them even where the adapter does not say that it has them.
fn run<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    options: NormOptions,
    subgroups: bool,
) -> Tensor<D> {
    if !takes(Kernel::Norm, &x) {
        return reference::norm(x, gamma, beta, options);
    }
    let variant = Variant { options, shifted: beta.is_some(), subgroups };
    let (x, gamma) = (x.into_dispatch(), gamma.into_dispatch());
    Tensor::from_dispatch(match beta {
        Some(beta) => Dispatch::norm_shifted(x, gamma, beta.into_dispatch(), variant),
        None => Dispatch::norm_scaled(x, gamma, variant),
    })
}

/// Backends that can apply [`norm`] by the kernels.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait NormOps: Backend {
    /// See [`norm`]; without shift.
    #[fusion(meta = |x, _gamma, _variant| x.clone())]
    fn norm_scaled(x: FloatTensor<Self>, gamma: FloatTensor<Self>, variant: Variant) -> FloatTensor<Self>;

    /// See [`norm`]; with shift.
    #[fusion(meta = |x, _gamma, _beta, _variant| x.clone())]
    fn norm_shifted(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        variant: Variant,
    ) -> FloatTensor<Self>;
}

/// Backends that have the kernels; what a tape calls.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait NormKernels: Backend {
    /// The result, and mean and scale of each row, `[rows, 2]`. `beta` is not looked at unless the variant is shifted.
    #[fusion(meta = |x, _gamma, _beta, _variant| (x.clone(), stats(x)))]
    fn norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        variant: Variant,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of `x`, and those of scale and shift, `[1, 2, C]`, given that of the result.
    #[fusion(meta = |x, gamma, _stats, _dy, _variant| (x.clone(), parameters(gamma)))]
    fn norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        variant: Variant,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

#[cfg(not(target_family = "wasm"))]
fn stats(x: &TensorSpec) -> TensorSpec {
    let width = x.shape[x.shape.num_dims() - 1];
    TensorSpec::new([x.shape.num_elements() / width.max(1), 2].into(), DType::F32)
}

#[cfg(not(target_family = "wasm"))]
fn parameters(gamma: &TensorSpec) -> TensorSpec {
    TensorSpec::new([1, 2, gamma.shape[0]].into(), gamma.dtype)
}
