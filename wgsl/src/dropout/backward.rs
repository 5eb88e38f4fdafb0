//! The backward pass: dropout is linear and its mask depends on the key alone, so the gradient gets the same dropout.

use burn::backend::{
    Autodiff, Backend,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::DropoutOps;

#[derive(Clone, Copy, Debug)]
struct Saved {
    key_0: u32,
    key_1: u32,
    rate: f64,
}

#[derive(Debug)]
struct DropoutBackward;

impl<B: Backend + DropoutOps> Backward<B, 1> for DropoutBackward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            let Saved { key_0, key_1, rate } = ops.state;
            grads.register::<B>(node.id, B::dropout(grad, key_0, key_1, rate));
        }
    }
}

impl<B: Backend + DropoutOps, C: CheckpointStrategy> DropoutOps for Autodiff<B, C> {
    fn dropout(x: FloatTensor<Self>, key_0: u32, key_1: u32, rate: f64) -> FloatTensor<Self> {
        let prepared = DropoutBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = B::dropout(x.into_primitive(), key_0, key_1, rate);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { key_0, key_1, rate }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
