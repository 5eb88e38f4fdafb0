//! The backward pass rotates the gradient the other way.

use burn::backend::{
    Autodiff, Backend,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::RopeOps;

#[derive(Debug)]
struct RopeBackward;

impl<B: Backend + RopeOps> Backward<B, 1> for RopeBackward {
    /// Cosines, sines, whether pairs are neighbours, and the direction of the forward pass.
    type State = (FloatTensor<B>, FloatTensor<B>, bool, bool);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (cosines, sines, interleaved, back) = ops.state;
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::rotate(dy, cosines, sines, interleaved, !back));
        }
    }
}

impl<B: Backend + RopeOps, C: CheckpointStrategy> RopeOps for Autodiff<B, C> {
    fn rotate(
        x: FloatTensor<Self>,
        cosines: FloatTensor<Self>,
        sines: FloatTensor<Self>,
        interleaved: bool,
        back: bool,
    ) -> FloatTensor<Self> {
        let prepared = RopeBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let (cosines, sines) = (cosines.into_primitive(), sines.into_primitive());
        let y = B::rotate(x.into_primitive(), cosines.clone(), sines.clone(), interleaved, back);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((cosines, sines, interleaved, back), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
