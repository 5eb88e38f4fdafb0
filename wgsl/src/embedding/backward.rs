//! Where the backward pass meets Burn's tape.

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::{FloatTensor, IntTensor},
};

use super::{EmbeddingKernels, EmbeddingOps};

#[derive(Debug)]
struct EmbeddingBackward;

impl<B: Backend + EmbeddingKernels> Backward<B, 1> for EmbeddingBackward {
    /// The ids, the rows of the table, and the first row's id.
    type State = (IntTensor<B>, usize, usize);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (ids, rows, first) = ops.state;
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::embed_backward(ids, dy, rows, first));
        }
    }
}

impl<B: Backend + EmbeddingOps + EmbeddingKernels, C: CheckpointStrategy> EmbeddingOps for Autodiff<B, C> {
    fn embed(table: FloatTensor<Self>, ids: IntTensor<Self>, first: usize) -> FloatTensor<Self> {
        let prepared = EmbeddingBackward.prepare::<C>([table.node()]).compute_bound().stateful();
        let table = table.into_primitive();
        let rows = table.shape()[0];
        let y = B::embed(table, ids.clone(), first);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((ids, rows, first), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
