//! Where the backward passes meet Burn's tape.

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::{AttentionKernels, AttentionOps, Inputs};

#[derive(Debug)]
struct AttentionBackward;

/// The inputs, the result and the log-sum-exp of its scores.
struct Saved<B: Backend> {
    inputs: Inputs<B>,
    y: FloatTensor<B>,
    lse: FloatTensor<B>,
}

impl<B: Backend> Clone for Saved<B> {
    fn clone(&self) -> Self {
        Self { inputs: self.inputs.clone(), y: self.y.clone(), lse: self.lse.clone() }
    }
}

impl<B: Backend> std::fmt::Debug for Saved<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Saved").field("y", &self.y).field("lse", &self.lse).finish_non_exhaustive()
    }
}

impl<B: Backend + AttentionKernels> Backward<B, 3> for AttentionBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let Saved { inputs, y, lse } = ops.state;
        let (dq, dk, dv) = B::attend_backward(inputs, y, lse, dy);
        for (node, grad) in ops.parents.into_iter().zip([dq, dk, dv]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

/// With the gradient of sinks, too.
#[derive(Debug)]
struct SinkBackward;

impl<B: Backend + AttentionKernels> Backward<B, 4> for SinkBackward {
    type State = (Saved<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (Saved { inputs, y, lse }, sinks) = ops.state;
        let [q, k, v, of_sinks] = ops.parents;
        if let Some(node) = of_sinks {
            let gradient = B::attend_backward_of_sinks(y.clone(), lse.clone(), sinks, dy.clone());
            grads.register::<B>(node.id, gradient);
        }
        let (dq, dk, dv) = B::attend_backward(inputs, y, lse, dy);
        for (node, grad) in [q, k, v].into_iter().zip([dq, dk, dv]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: Backend + AttentionKernels, C: CheckpointStrategy> AttentionOps for Autodiff<B, C> {
    fn attend(inputs: Inputs<Self>) -> FloatTensor<Self> {
        let Inputs { q, k, v, documents, masked, options } = inputs;
        let prepared = AttentionBackward.prepare::<C>([q.node(), k.node(), v.node()]).compute_bound().stateful();
        let (q, k, v) = (q.into_primitive(), k.into_primitive(), v.into_primitive());
        let dtype = q.dtype();
        let inputs = Inputs { q, k, v, documents, masked, options };
        let (y, lse) = B::attend_forward(inputs.clone());
        let stored = B::float_cast(y.clone(), dtype.into());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { inputs, y, lse }, stored),
            OpsKind::UnTracked(prepared) => prepared.finish(stored),
        }
    }

    fn attend_with_sinks(inputs: Inputs<Self>, sinks: FloatTensor<Self>) -> FloatTensor<Self> {
        let Inputs { q, k, v, documents, masked, options } = inputs;
        let nodes = [q.node(), k.node(), v.node(), sinks.node()];
        let prepared = SinkBackward.prepare::<C>(nodes).compute_bound().stateful();
        let (q, k, v, sinks) = (q.into_primitive(), k.into_primitive(), v.into_primitive(), sinks.into_primitive());
        let dtype = q.dtype();
        let inputs = Inputs { q, k, v, documents, masked, options };
        let (y, lse) = B::attend_forward_with_sinks(inputs.clone(), sinks.clone());
        let stored = B::float_cast(y.clone(), dtype.into());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((Saved { inputs, y, lse }, sinks), stored),
            OpsKind::UnTracked(prepared) => prepared.finish(stored),
        }
    }
}
