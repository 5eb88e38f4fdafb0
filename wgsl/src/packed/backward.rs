//! Where the backward pass meets Burn's tape: `dx = dy W^T`, `db` the sum of the rows of `dy`. The tape keeps words alone, and the
//! weight is unpacked once more.

use burn::backend::{
    Autodiff, Backend, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    tensor::{FloatTensor, IntTensor},
};

use super::{PackedKernels, PackedOps, form::Packing};
use crate::linear::{LinearKernels, flat, forward as forward_linear, like};

/// With `N` = 1 of the input, with 2 of the bias too.
#[derive(Debug)]
struct PackedBackward;

impl<B: Backend + PackedKernels + LinearKernels, const N: usize> Backward<B, N> for PackedBackward {
    type State = (IntTensor<B>, Packing);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let (words, packing) = ops.state;
        for (at, node) in ops.parents.into_iter().enumerate() {
            let Some(node) = node else { continue };
            let gradient = match (at, packing.products) {
                (0, _) => of_input::<B>(dy.clone(), words.clone(), packing),
                (_, true) => B::sum_of_rows(flat::<B>(dy.clone())),
                (_, false) => B::linear_bias_backward(dy.clone()),
            };
            grads.register::<B>(node.id, gradient);
        }
    }
}

/// The input's gradient `[.., in]`, by the products that [`linear`](crate::linear()) has.
fn of_input<B: Backend + PackedKernels + LinearKernels>(
    dy: FloatTensor<B>,
    words: IntTensor<B>,
    packing: Packing,
) -> FloatTensor<B> {
    let weight = B::unpack_words(words, packing);
    if !packing.products {
        return B::linear_x_backward(weight, dy);
    }
    let shape = dy.shape();
    like::<B>(B::product(flat::<B>(dy), B::float_swap_dims(weight, 0, 1)), &shape)
}

/// The product with the weight, and the bias if there is one, as [`linear`](crate::linear()) has it.
pub(super) fn forward<B: Backend + PackedKernels + LinearKernels>(
    x: FloatTensor<B>,
    words: IntTensor<B>,
    bias: Option<FloatTensor<B>>,
    packing: Packing,
) -> FloatTensor<B> {
    let weight = B::unpack_words(words, packing);
    match packing.products {
        true => forward_linear::<B>(x, weight, bias),
        false => B::linear(x, weight, bias),
    }
}

impl<B: Backend + PackedKernels + LinearKernels, C: CheckpointStrategy> PackedOps for Autodiff<B, C> {
    fn linear_packed(x: FloatTensor<Self>, words: IntTensor<Self>, packing: Packing) -> FloatTensor<Self> {
        let prepared = PackedBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let y = forward::<B>(x.into_primitive(), words.clone(), None, packing);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((words, packing), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn linear_packed_shifted(
        x: FloatTensor<Self>,
        words: IntTensor<Self>,
        bias: FloatTensor<Self>,
        packing: Packing,
    ) -> FloatTensor<Self> {
        let prepared = PackedBackward.prepare::<C>([x.node(), bias.node()]).compute_bound().stateful();
        let y = forward::<B>(x.into_primitive(), words.clone(), Some(bias.into_primitive()), packing);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((words, packing), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
