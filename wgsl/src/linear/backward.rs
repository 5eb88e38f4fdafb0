//! Where the backward pass meets Burn's tape: `dx = dy W^T`, `dW = x^T dy`, `db` the sum of the rows of `dy`.

use burn::{
    backend::{
        Autodiff, Backend, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::Shape,
};

use super::{LinearKernels, LinearOps};

/// With `N` = 2 of input and weight, with 3 of the bias too.
#[derive(Debug)]
struct LinearBackward;

impl<B: Backend + LinearKernels, const N: usize> Backward<B, N> for LinearBackward {
    /// Input and weight.
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let [x, weight] = ops.state;
        let shape = x.shape();
        let dy = flat::<B>(dy);
        for (at, node) in ops.parents.into_iter().enumerate() {
            let Some(node) = node else { continue };
            let gradient = match at {
                0 => {
                    let dx = B::product(dy.clone(), B::float_swap_dims(weight.clone(), 0, 1));
                    B::float_reshape(dx, shape.clone())
                }
                1 => B::product(B::float_swap_dims(flat::<B>(x.clone()), 0, 1), dy.clone()),
                _ => B::sum_of_rows(dy.clone()),
            };
            grads.register::<B>(node.id, gradient);
        }
    }
}

/// `[.., C]` as `[N, C]`.
fn flat<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    let width = shape[shape.num_dims() - 1];
    B::float_reshape(x, Shape::new([shape.num_elements() / width.max(1), width]))
}

/// `[N, F]` as `[.., F]`, with the leading axes of `like`.
fn like<B: Backend>(y: FloatTensor<B>, like: &Shape) -> FloatTensor<B> {
    let mut dims = like.as_slice().to_vec();
    *dims.last_mut().expect("a tensor has an axis") = y.shape()[1];
    B::float_reshape(y, Shape::from(dims))
}

/// The product with a weight, and the bias if there is one.
pub(super) fn forward<B: Backend + LinearKernels>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let shape = x.shape();
    let y = match bias {
        Some(bias) => B::product_shifted(flat::<B>(x), weight, bias),
        None => B::product(flat::<B>(x), weight),
    };
    like::<B>(y, &shape)
}

impl<B: Backend + LinearKernels, C: CheckpointStrategy> LinearOps for Autodiff<B, C> {
    fn linear_plain(x: FloatTensor<Self>, weight: FloatTensor<Self>) -> FloatTensor<Self> {
        let prepared = LinearBackward.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful();
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let y = forward::<B>(x.clone(), weight.clone(), None);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish([x, weight], y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn linear_shifted(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let prepared = LinearBackward.prepare::<C>(nodes).compute_bound().stateful();
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let y = forward::<B>(x.clone(), weight.clone(), Some(bias.into_primitive()));
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish([x, weight], y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
