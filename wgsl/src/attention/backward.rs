//! Where the backward passes meet Burn's tape.

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::{FloatTensor, IntTensor},
};

use super::{AttentionOps, AttentionOptions};

#[derive(Debug)]
struct AttentionBackward;

#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    documents: IntTensor<B>,
    y: FloatTensor<B>,
    lse: FloatTensor<B>,
    masked: bool,
    options: AttentionOptions,
}

impl<B: Backend + AttentionOps> Backward<B, 3> for AttentionBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let Saved { q, k, v, documents, y, lse, masked, options } = ops.state;
        let (dq, dk, dv) = B::attend_backward(q, k, v, documents, y, lse, dy, masked, options);
        for (node, grad) in ops.parents.into_iter().zip([dq, dk, dv]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: Backend + AttentionOps, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        documents: IntTensor<Self>,
        masked: bool,
        options: AttentionOptions,
    ) -> FloatTensor<Self> {
        let prepared = AttentionBackward.prepare::<C>([q.node(), k.node(), v.node()]).compute_bound().stateful();
        let (q, k, v) = (q.into_primitive(), k.into_primitive(), v.into_primitive());
        let (y, lse) = B::attend_forward(q.clone(), k.clone(), v.clone(), documents.clone(), masked, options);
        let stored = B::float_cast(y.clone(), q.dtype().into());
        match prepared {
            OpsKind::Tracked(prepared) => {
                prepared.finish(Saved { q, k, v, documents, y, lse, masked, options }, stored)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(stored),
        }
    }

    fn attend_forward(
        _q: FloatTensor<Self>,
        _k: FloatTensor<Self>,
        _v: FloatTensor<Self>,
        _documents: IntTensor<Self>,
        _masked: bool,
        _options: AttentionOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("only `attend` is called on a tape")
    }

    fn attend_backward(
        _q: FloatTensor<Self>,
        _k: FloatTensor<Self>,
        _v: FloatTensor<Self>,
        _documents: IntTensor<Self>,
        _y: FloatTensor<Self>,
        _lse: FloatTensor<Self>,
        _dy: FloatTensor<Self>,
        _masked: bool,
        _options: AttentionOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("only `attend` is called on a tape")
    }
}
