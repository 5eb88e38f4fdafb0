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
use burn::tensor::Shape;

use super::{NormKernels, NormOps, Variant};

/// With `N` = 2 of input and scale, with 3 of the shift too.
#[derive(Debug)]
struct NormBackward;

#[derive(Clone, Debug)]
struct Saved<T> {
    x: T,
    gamma: T,
    stats: T,
    variant: Variant,
}

impl<B: Backend + NormKernels, const N: usize> Backward<B, N> for NormBackward {
    type State = Saved<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let Saved { x, gamma, stats, variant } = ops.state;
        let width = gamma.shape()[0];
        let (dx, parameters) = B::norm_backward(x, gamma, stats, dy, variant);
        let row = |at: usize| {
            let row = B::float_slice(parameters.clone(), &[(0..1).into(), (at..at + 1).into(), (0..width).into()]);
            B::float_reshape(row, Shape::new([width]))
        };
        for (at, node) in ops.parents.into_iter().enumerate() {
            if let Some(node) = node {
                let gradient = if at == 0 { dx.clone() } else { row(at - 1) };
                grads.register::<B>(node.id, gradient);
            }
        }
    }
}

impl<B: Backend + NormKernels, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn norm_scaled(x: FloatTensor<Self>, gamma: FloatTensor<Self>, variant: Variant) -> FloatTensor<Self> {
        let prepared = NormBackward.prepare::<C>([x.node(), gamma.node()]).compute_bound().stateful();
        let (x, gamma) = (x.into_primitive(), gamma.into_primitive());
        let (y, stats) = B::norm_forward(x.clone(), gamma.clone(), gamma.clone(), variant);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { x, gamma, stats, variant }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn norm_shifted(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        variant: Variant,
    ) -> FloatTensor<Self> {
        let prepared = NormBackward.prepare::<C>([x.node(), gamma.node(), beta.node()]).compute_bound().stateful();
        let (x, gamma) = (x.into_primitive(), gamma.into_primitive());
        let (y, stats) = B::norm_forward(x.clone(), gamma.clone(), beta.into_primitive(), variant);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { x, gamma, stats, variant }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
