//! The backward pass: with `y = softmax(x)`, `dx = y * (dy - sum(y * dy))`.

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::SoftmaxOps;

#[derive(Debug)]
struct SoftmaxBackward;

impl<B: Backend> Backward<B, 1> for SoftmaxBackward {
    /// The result.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            let y = ops.state;
            let last = y.shape().num_dims() - 1;
            let weighted = B::float_mul(y.clone(), grad.clone());
            let grad = B::float_mul(y, B::float_sub(grad, B::float_sum_dim(weighted, last)));
            grads.register::<B>(node.id, grad);
        }
    }
}

impl<B: Backend + SoftmaxOps, C: CheckpointStrategy> SoftmaxOps for Autodiff<B, C> {
    fn softmax_rows(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = SoftmaxBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::softmax_rows(x.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(y.clone(), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
