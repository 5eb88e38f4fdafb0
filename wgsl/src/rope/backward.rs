//! The backward pass rotates the gradients the other way.

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::RopeOps;

/// Of queries or keys alone: neither depends on the other.
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
            // The kernel takes two tensors: the second is a head of any values.
            let shape = [1, 1, 1, dy.shape()[3]].into();
            let other = B::float_empty(shape, &dy.device(), dy.dtype().into());
            let (dx, _) = B::rotate(dy, other, cosines, sines, interleaved, !back);
            grads.register::<B>(node.id, dx);
        }
    }
}

impl<B: Backend + RopeOps, C: CheckpointStrategy> RopeOps for Autodiff<B, C> {
    fn rotate(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        cosines: FloatTensor<Self>,
        sines: FloatTensor<Self>,
        interleaved: bool,
        back: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let prepared = [&q, &k].map(|x| RopeBackward.prepare::<C>([x.node()]).compute_bound().stateful());
        let [q, k, cosines, sines] = [q, k, cosines, sines].map(|x| x.into_primitive());
        let (q, k) = B::rotate(q, k, cosines.clone(), sines.clone(), interleaved, back);
        let mut turned = prepared.into_iter().zip([q, k]).map(|(prepared, y)| match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((cosines.clone(), sines.clone(), interleaved, back), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        });
        let q = turned.next().expect("the first of two");
        (q, turned.next().expect("the second of two"))
    }
}
