//! The backward pass: with `y = x r` and `r` the row's scale, `dx = r (dy - mean(dy) - y mean(dy y))`, the first mean
//! only where the input is centred.

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::{NormOps, normalize_with_scale};

#[derive(Clone, Debug)]
struct Saved<T> {
    y: T,
    scale: T,
    centred: bool,
}

#[derive(Debug)]
struct NormBackward;

impl<B: Backend> Backward<B, 1> for NormBackward {
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

impl<B: Backend + NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn normalize_rows(x: FloatTensor<Self>, centred: bool, eps: f64) -> FloatTensor<Self> {
        let prepared = NormBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let (y, scale) = normalize_with_scale::<B>(x.into_primitive(), centred, eps);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { y: y.clone(), scale, centred }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
