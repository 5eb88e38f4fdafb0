//! A vector-Jacobian product: a tape run back from a given gradient.
//!
//! Burn's `backward` starts from ones. `(y * gradient).sum().backward()` would do, with a product and a sum that
//! nobody reads.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::{Gradients, Tensor},
};
#[cfg(feature = "gpu")]
use burn_cubecl::CubeBackend;

use crate::check;

/// Runs the tape behind `y` back from `gradient`, the derivative of some loss by `y`: the derivatives of that loss by all
/// leaves.
///
/// # Panics
/// If `y` is on no tape, or if `gradient` is with autodiff or differs from `y` in shape or dtype.
#[track_caller]
pub fn vjp<const D: usize>(y: Tensor<D>, gradient: Tensor<D>) -> Gradients {
    check::plain("vjp", "gradient", &gradient);
    check::one_shape("vjp", [("y", &y), ("gradient", &gradient)]);
    check::one_dtype("vjp", [("y", y.dtype()), ("gradient", gradient.dtype())]);
    assert!(y.is_tracked(), "vjp: y {:?} is on no tape: none of what it was made of requires a gradient", y.dims());
    let gradient = Tensor::<D>::from_inner(gradient);
    Tensor::<1>::from_dispatch(Dispatch::end_of_tape(y.into_dispatch(), gradient.into_dispatch())).backward()
}

/// Backends that can stand at the end of a tape.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait EndOfTape: Backend {
    /// A value `[1]` that nobody reads, and whose derivative by `y` is `gradient`.
    #[fusion(default)]
    fn end_of_tape(y: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let _ = y;
        Self::float_zeros([1].into(), &gradient.device(), gradient.dtype().into())
    }
}

impl EndOfTape for Flex {}
#[cfg(feature = "gpu")]
impl EndOfTape for CubeBackend {}

#[derive(Debug)]
struct SeedBackward;

impl<B: Backend> Backward<B, 1> for SeedBackward {
    /// The gradient to start from.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut grads::Gradients, _checkpointer: &mut Checkpointer) {
        grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, ops.state);
        }
    }
}

impl<B: Backend + EndOfTape, C: CheckpointStrategy> EndOfTape for Autodiff<B, C> {
    fn end_of_tape(y: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = SeedBackward.prepare::<C>([y.node()]).compute_bound().stateful();
        let gradient = gradient.into_primitive();
        let end = B::end_of_tape(y.into_primitive(), gradient.clone());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(gradient, end),
            OpsKind::UnTracked(prepared) => prepared.finish(end),
        }
    }
}
