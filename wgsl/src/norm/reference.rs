//! The plain reference: normalisation as one operation with its own backward, scale and shift beside it.
//!
//! A tape keeps the result, which the multiplication that follows needs anyway, and one number a row. The backward pass:
//! with `y = x r` and `r` the row's scale, `dx = r (dy - mean(dy) - y mean(dy y))`, the first mean only where the input is
//! centred.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};
#[cfg(feature = "gpu")]
use burn_cubecl::CubeBackend;

use super::NormOptions;

/// See [`norm`](super::norm()).
pub(super) fn norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Option<Tensor<1>>,
    options: NormOptions,
) -> Tensor<D> {
    let y = normalize(x, options.centred, options.eps) * gamma.unsqueeze();
    match beta {
        Some(beta) => y + beta.unsqueeze(),
        None => y,
    }
}

/// `x / sqrt(mean(x^2) + eps)` over the last axis; where `centred`, of `x - mean(x)` instead of `x`.
///
/// Shape and dtype are those of `x`. Layer normalisation is RMS normalisation of the centred input (arXiv 1910.07467,
/// section 3), so one body does both; scale and shift are the caller's.
pub(super) fn normalize<const D: usize>(x: Tensor<D>, centred: bool, eps: f64) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::normalize_rows(x.into_dispatch(), centred, eps))
}

/// Backends that can apply [`normalize`]: the default body is plain operations, which fusion merges.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait NormalizeOps: Backend {
    /// See [`normalize`].
    #[fusion(default)]
    fn normalize_rows(x: FloatTensor<Self>, centred: bool, eps: f64) -> FloatTensor<Self> {
        normalize_with_scale::<Self>(x, centred, eps).0
    }
}

impl NormalizeOps for Flex {}
#[cfg(feature = "gpu")]
impl NormalizeOps for CubeBackend {}

/// The result, and what each row was multiplied by, `[.., 1]`.
fn normalize_with_scale<B: Backend>(x: FloatTensor<B>, centred: bool, eps: f64) -> (FloatTensor<B>, FloatTensor<B>) {
    let last = x.shape().num_dims() - 1;
    let x = if centred { B::float_sub(x.clone(), B::float_mean_dim(x, last)) } else { x };
    let mean_square = B::float_mean_dim(B::float_mul(x.clone(), x.clone()), last);
    let scale = B::float_recip(B::float_sqrt(B::float_add_scalar(mean_square, eps.into())));
    (B::float_mul(x, scale.clone()), scale)
}

#[derive(Clone, Debug)]
struct Saved<T> {
    y: T,
    scale: T,
    centred: bool,
}

#[derive(Debug)]
struct NormalizeBackward;

impl<B: Backend> Backward<B, 1> for NormalizeBackward {
    type State = Saved<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            let Saved { y, scale, centred } = ops.state;
            let last = y.shape().num_dims() - 1;
            let along = B::float_mean_dim(B::float_mul(grad.clone(), y.clone()), last);
            let rest = if centred { B::float_sub(grad.clone(), B::float_mean_dim(grad, last)) } else { grad };
            let grad = B::float_mul(B::float_sub(rest, B::float_mul(y, along)), scale);
            grads.register::<B>(node.id, grad);
        }
    }
}

impl<B: Backend + NormalizeOps, C: CheckpointStrategy> NormalizeOps for Autodiff<B, C> {
    fn normalize_rows(x: FloatTensor<Self>, centred: bool, eps: f64) -> FloatTensor<Self> {
        let prepared = NormalizeBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let (y, scale) = normalize_with_scale::<B>(x.into_primitive(), centred, eps);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { y: y.clone(), scale, centred }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
