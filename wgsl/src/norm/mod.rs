//! RMS and layer normalisation over the last axis, with scale and shift.
//!
//! A tape keeps the input, which a block keeps anyway, and two numbers a row. In plain operations it keeps the normalised
//! rows too.

mod backward;
mod kernel;
mod reference;
#[cfg(test)]
pub(crate) mod tests;

use burn::{
    backend::{Backend, Dispatch, backend_extension, fusion::custom::TensorSpec, tensor::FloatTensor},
    tensor::{DType, Tensor},
};

#[cfg(test)]
pub(crate) use kernel::shaders;
pub use reference::{NormalizeOps, normalize};

use crate::{Kernel, launch::takes};

/// How rows are normalised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormOptions {
    /// Whether the mean is taken off first: layer normalisation, else RMS normalisation.
    pub centred: bool,
    /// Added to the mean square.
    pub eps: f64,
}

/// `x / sqrt(mean(x^2) + eps) * gamma + beta` over the last axis; where `centred`, of `x - mean(x)` instead of `x`.
///
/// Shape and dtype are those of `x` `[.., C]`; `gamma` and `beta` are `[C]`. Layer normalisation is RMS normalisation of
/// the centred input (Zhang and Sennrich 2019, arXiv 1910.07467, section 3), so one body does both. Differentiable in all.
pub fn norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    options: NormOptions,
) -> Tensor<D> {
    if takes(Kernel::Norm, &x) && gamma.dtype() == x.dtype() {
        let (x, gamma) = (x.into_dispatch(), gamma.into_dispatch());
        return Tensor::from_dispatch(match beta {
            Some(beta) => Dispatch::norm_shifted(x, gamma, beta.into_dispatch(), options),
            None => Dispatch::norm_scaled(x, gamma, options),
        });
    }
    let y = normalize(x, options.centred, options.eps) * gamma.unsqueeze();
    match beta {
        Some(beta) => y + beta.unsqueeze(),
        None => y,
    }
}

/// Backends with the kernels.
#[backend_extension(Cube, Autodiff, Fusion)]
pub trait NormOps: Backend {
    /// See [`norm`]; without shift.
    #[fusion(default)]
    fn norm_scaled(x: FloatTensor<Self>, gamma: FloatTensor<Self>, options: NormOptions) -> FloatTensor<Self> {
        Self::norm_forward(x, gamma.clone(), gamma, false, options).0
    }

    /// See [`norm`]; with shift.
    #[fusion(default)]
    fn norm_shifted(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> FloatTensor<Self> {
        Self::norm_forward(x, gamma, beta, true, options).0
    }

    /// The result, and mean and scale of each row, `[rows, 2]`. `beta` is not looked at unless `shifted`.
    #[fusion(meta = |x, _gamma, _beta, _shifted, _options| (x.clone(), stats(x)))]
    fn norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        shifted: bool,
        options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of `x`, and those of scale and shift, `[1, 2, C]`, given that of the result.
    #[fusion(meta = |x, gamma, _stats, _dy, _centred| (x.clone(), parameters(gamma)))]
    fn norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        centred: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

fn stats(x: &TensorSpec) -> TensorSpec {
    let width = x.shape[x.shape.num_dims() - 1];
    TensorSpec::new([x.shape.num_elements() / width.max(1), 2].into(), DType::F32)
}

fn parameters(gamma: &TensorSpec) -> TensorSpec {
    TensorSpec::new([1, 2, gamma.shape[0]].into(), gamma.dtype)
}
