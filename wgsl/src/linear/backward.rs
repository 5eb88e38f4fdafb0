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

use super::{
    LinearKernels, LinearOps,
    meeting::{Meeting, Part},
};

/// With `N` = 2 of input and weight, with 3 of the bias too.
#[derive(Debug)]
struct LinearBackward;

impl<B: Backend + LinearKernels, const N: usize> Backward<B, N> for LinearBackward {
    /// Input and weight, and where the input's gradient meets others.
    type State = ([FloatTensor<B>; 2], Option<Meeting>);

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dy = grads.consume::<B>(&ops.node);
        let ([x, weight], meeting) = ops.state;
        let shape = x.shape();
        let dy = flat::<B>(dy);
        for (at, node) in ops.parents.into_iter().enumerate() {
            let Some(node) = node else { continue };
            let gradient = match (at, &meeting) {
                (0, None) => {
                    let dx = B::product(dy.clone(), B::float_swap_dims(weight.clone(), 0, 1));
                    B::float_reshape(dx, shape.clone())
                }
                (0, Some(meeting)) => {
                    meeting.leave(Part::<B> { dy: dy.clone(), weight: weight.clone() });
                    // It only says that this is done.
                    B::float_zeros(Shape::new([1]), &dy.device(), dy.dtype().into())
                }
                (1, _) => B::product(B::float_swap_dims(flat::<B>(x.clone()), 0, 1), dy.clone()),
                _ => B::sum_of_rows(dy.clone()),
            };
            grads.register::<B>(node.id, gradient);
        }
    }
}

/// Of an input that products share: the sum of their gradients of it.
#[derive(Debug)]
struct MeetingBackward;

impl<B: Backend + LinearKernels> Backward<B, 1> for MeetingBackward {
    /// Where the gradients meet, and the shape of the input.
    type State = (Meeting, Shape);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        grads.consume::<B>(&ops.node);
        let (meeting, shape) = ops.state;
        let sum = meeting.take::<B>().into_iter().fold(None, |sum, Part { dy, weight }| {
            let factor = B::float_swap_dims(weight, 0, 1);
            Some(match sum {
                None => B::product(dy, factor),
                Some(sum) => B::product_added(sum, dy, factor),
            })
        });
        let [node] = ops.parents;
        if let Some((node, sum)) = node.zip(sum) {
            grads.register::<B>(node.id, B::float_reshape(sum, shape));
        }
    }
}

/// `[.., C]` as `[N, C]`.
pub(crate) fn flat<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let shape = x.shape();
    let width = shape[shape.num_dims() - 1];
    B::float_reshape(x, Shape::new([shape.num_elements() / width.max(1), width]))
}

/// `[N, F]` as `[.., F]`, with the leading axes of `like`.
pub(crate) fn like<B: Backend>(y: FloatTensor<B>, like: &Shape) -> FloatTensor<B> {
    let mut dims = like.as_slice().to_vec();
    *dims.last_mut().expect("a tensor has an axis") = y.shape()[1];
    B::float_reshape(y, Shape::from(dims))
}

/// The product with a weight, and the bias if there is one.
pub(crate) fn forward<B: Backend + LinearKernels>(
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
    fn meet(x: FloatTensor<Self>, meeting: Meeting) -> FloatTensor<Self> {
        let prepared = MeetingBackward.prepare::<C>([x.node()]).compute_bound().stateful();
        let x = x.into_primitive();
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish((meeting, x.shape()), x),
            OpsKind::UnTracked(prepared) => prepared.finish(x),
        }
    }

    fn linear_plain(x: FloatTensor<Self>, weight: FloatTensor<Self>, meeting: Option<Meeting>) -> FloatTensor<Self> {
        let prepared = LinearBackward.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful();
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let y = forward::<B>(x.clone(), weight.clone(), None);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(([x, weight], meeting), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn linear_shifted(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        meeting: Option<Meeting>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let prepared = LinearBackward.prepare::<C>(nodes).compute_bound().stateful();
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let y = forward::<B>(x.clone(), weight.clone(), Some(bias.into_primitive()));
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(([x, weight], meeting), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
