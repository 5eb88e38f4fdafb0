//! Where the backward passes meet Burn's tape.

use burn::backend::{
    Autodiff, Backend,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::FloatTensor,
};

use super::GateOps;

#[derive(Debug)]
struct GeluBackward;

impl<B: Backend + GateOps> Backward<B, 1> for GeluBackward {
    /// `x`.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::tanh_gelu_backward(ops.state, grad));
        }
    }
}

#[derive(Debug)]
struct ReluSquaredBackward;

impl<B: Backend + GateOps> Backward<B, 1> for ReluSquaredBackward {
    /// `x`.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let [node] = ops.parents;
        if let Some(node) = node {
            grads.register::<B>(node.id, B::relu_squared_backward(ops.state, grad));
        }
    }
}

#[derive(Debug)]
struct SwigluBackward;

impl<B: Backend + GateOps> Backward<B, 2> for SwigluBackward {
    /// `gate` and `up`.
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (gate, up) = ops.state;
        let (of_gate, of_up) = B::swiglu_backward(gate, up, grad);
        for (node, grad) in ops.parents.into_iter().zip([of_gate, of_up]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: Backend + GateOps, C: CheckpointStrategy> GateOps for Autodiff<B, C> {
    fn tanh_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = GeluBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let x = x.into_primitive();
        let y = B::tanh_gelu(x.clone());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(x, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn relu_squared(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = ReluSquaredBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let x = x.into_primitive();
        let y = B::relu_squared(x.clone());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(x, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = SwigluBackward.prepare::<C>([gate.node(), up.node()]).compute_bound().stateful();
        let (gate, up) = (gate.into_primitive(), up.into_primitive());
        let y = B::swiglu(gate.clone(), up.clone());
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((gate, up), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
