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

use super::{NormOps, NormOptions};

/// With `N` = 2 of input and scale, with 3 of the shift too.
#[derive(Debug)]
struct NormBackward;

#[derive(Clone, Debug)]
struct Saved<T> {
    x: T,
    gamma: T,
    stats: T,
    centred: bool,
}

impl<B: Backend + NormOps, const N: usize> Backward<B, N> for NormBackward {
    type State = Saved<FloatTensor<B>>;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let Saved { x, gamma, stats, centred } = ops.state;
        let width = gamma.shape()[0];
        let (dx, parameters) = B::norm_backward(x, gamma, stats, dy, centred);
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

impl<B: Backend + NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn norm_scaled(x: FloatTensor<Self>, gamma: FloatTensor<Self>, options: NormOptions) -> FloatTensor<Self> {
        let prepared = NormBackward.prepare::<C>([x.node(), gamma.node()]).compute_bound().stateful();
        let (x, gamma) = (x.into_primitive(), gamma.into_primitive());
        let (y, stats) = B::norm_forward(x.clone(), gamma.clone(), gamma.clone(), false, options);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { x, gamma, stats, centred: options.centred }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn norm_shifted(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> FloatTensor<Self> {
        let prepared = NormBackward.prepare::<C>([x.node(), gamma.node(), beta.node()]).compute_bound().stateful();
        let (x, gamma) = (x.into_primitive(), gamma.into_primitive());
        let (y, stats) = B::norm_forward(x.clone(), gamma.clone(), beta.into_primitive(), true, options);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(Saved { x, gamma, stats, centred: options.centred }, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn norm_forward(
        _x: FloatTensor<Self>,
        _gamma: FloatTensor<Self>,
        _beta: FloatTensor<Self>,
        _shifted: bool,
        _options: NormOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("only `norm_scaled` and `norm_shifted` are called on a tape")
    }

    fn norm_backward(
        _x: FloatTensor<Self>,
        _gamma: FloatTensor<Self>,
        _stats: FloatTensor<Self>,
        _dy: FloatTensor<Self>,
        _centred: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        unreachable!("only `norm_scaled` and `norm_shifted` are called on a tape")
    }
}
