//! Where the backward passes meet Burn's tape: of an expert's rows `dx = dy W^T` and `dW = x^T dy`.

use burn::backend::{
    Autodiff, Backend,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::{FloatTensor, IntTensor},
};

use super::{CarryOps, ExpertKernels, ExpertOps};

#[derive(Debug)]
struct GroupedBackward;

impl<B: Backend + ExpertKernels> Backward<B, 2> for GroupedBackward {
    /// `x`, the weights, and each expert's first row.
    type State = (FloatTensor<B>, FloatTensor<B>, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let ((x, weight, starts), [of_x, of_weight]) = (ops.state, ops.parents);
        if let Some(node) = of_x {
            grads.register::<B>(node.id, B::grouped_product(dy.clone(), weight, starts.clone(), true));
        }
        if let Some(node) = of_weight {
            grads.register::<B>(node.id, B::grouped_outer(x, dy, starts));
        }
    }
}

impl<B: Backend + ExpertOps + ExpertKernels, C: CheckpointStrategy> ExpertOps for Autodiff<B, C> {
    fn grouped(x: FloatTensor<Self>, weight: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self> {
        let prepared = GroupedBackward.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful();
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let y = B::grouped(x.clone(), weight.clone(), starts.clone());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((x, weight, starts), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}

#[derive(Debug)]
struct CarryBackward;

impl<B: Backend> Backward<B, 2> for CarryBackward {
    /// The gradient that is carried.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        for (node, gradient) in ops.parents.into_iter().zip([dy, ops.state]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: Backend + CarryOps, C: CheckpointStrategy> CarryOps for Autodiff<B, C> {
    fn carrying(x: FloatTensor<Self>, other: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = CarryBackward.prepare::<C>([x.node(), other.node()]).compute_bound().stateful();
        let (x, gradient) = (x.into_primitive(), gradient.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(gradient, x),
            OpsKind::UnTracked(prepared) => prepared.finish(x),
        }
    }
}
