//! Normalisation over the last axis as one operation with its own backward.
//!
//! A tape keeps the result, which the multiplication that follows needs anyway, and one number a row.

mod backward;
#[cfg(test)]
mod tests;

use burn::{
    backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension, tensor::FloatTensor},
    tensor::Tensor,
};
use burn_cubecl::CubeBackend;

/// `x / sqrt(mean(x^2) + eps)` over the last axis; where `centred`, of `x - mean(x)` instead of `x`.
///
/// Shape and dtype are those of `x`. Layer normalisation is RMS normalisation of the centred input (arXiv 1910.07467,
/// section 3), so one body does both; scale and shift are the caller's.
pub fn normalize<const D: usize>(x: Tensor<D>, centred: bool, eps: f64) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::normalize_rows(x.into_dispatch(), centred, eps))
}

/// Backends that can apply [`normalize`]: the default body is plain operations, which fusion merges.
#[backend_extension(Cube, Flex, Autodiff, Fusion)]
pub trait NormOps: Backend {
    /// See [`normalize`].
    #[fusion(default)]
    fn normalize_rows(x: FloatTensor<Self>, centred: bool, eps: f64) -> FloatTensor<Self> {
        normalize_with_scale::<Self>(x, centred, eps).0
    }
}

impl NormOps for Flex {}
impl NormOps for CubeBackend {}

/// The result, and what each row was multiplied by, `[.., 1]`.
fn normalize_with_scale<B: Backend>(x: FloatTensor<B>, centred: bool, eps: f64) -> (FloatTensor<B>, FloatTensor<B>) {
    let last = x.shape().num_dims() - 1;
    let x = if centred { B::float_sub(x.clone(), B::float_mean_dim(x, last)) } else { x };
    let mean_square = B::float_mean_dim(B::float_mul(x.clone(), x.clone()), last);
    let scale = B::float_recip(B::float_sqrt(B::float_add_scalar(mean_square, eps.into())));
    (B::float_mul(x, scale.clone()), scale)
}
