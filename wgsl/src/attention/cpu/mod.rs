//! The CPU kernels: a block of queries of one head at a time, with scores of the keys that they see alone.
//!
//! Scores of a block lie as `[keys, LANES]`, queries side by side: sums over keys are then sums of vectors, and neither
//! scores nor keys nor values need be packed anew for a product.

mod backward;
mod block;
mod forward;
mod weights;

use burn::{
    backend::{Flex, TensorMetadata, tensor::FloatTensor},
    tensor::DType,
};

use super::{AttentionKernels, AttentionOps, Inputs, sinks};
use crate::cpu::{Heads, integers};
use block::Shape;

impl AttentionOps for Flex {
    fn attend(inputs: Inputs<Self>) -> FloatTensor<Self> {
        Self::attend_forward(inputs).0
    }

    fn attend_with_sinks(inputs: Inputs<Self>, sinks: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::attend_forward_with_sinks(inputs, sinks).0
    }
}

impl AttentionKernels for Flex {
    fn attend_forward(inputs: Inputs<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (tensors, documents, shape) = prepared(inputs);
        forward::forward(tensors.each_ref().map(Heads::of), &documents, shape)
    }

    fn attend_forward_with_sinks(
        inputs: Inputs<Self>,
        sinks: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (y, lse) = Self::attend_forward(inputs);
        sinks::under_sinks::<Self>(y, lse, sinks)
    }

    fn attend_backward_of_sinks(
        y: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        sinks: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        sinks::gradient::<Self>(y, lse, sinks, dy)
    }

    fn attend_backward(
        inputs: Inputs<Self>,
        y: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let ([q, k, v], documents, shape) = prepared(inputs);
        let tensors = [q, k, v, Heads::laid_out(y), Heads::laid_out(dy)];
        let [dq, dk, dv] = backward::backward(tensors.each_ref().map(Heads::of), &lse, &documents, shape);
        (dq, dk, dv)
    }
}

/// `q`, `k` and `v` as [`Heads`] can be taken of them, the keys' documents if they count, and all sizes.
fn prepared(inputs: Inputs<Flex>) -> ([FloatTensor<Flex>; 3], Vec<i32>, Shape) {
    let Inputs { q, k, v, documents, masked, options } = inputs;
    debug_assert_eq!(q.dtype(), DType::F32, "the front takes no other");
    let ([b, t, h, d], [_, s, kv_heads, _]) = (q.shape().dims(), k.shape().dims());
    let documents =
        if masked { integers(documents).into_iter().map(|number| number as i32).collect() } else { Vec::new() };
    ([q, k, v].map(Heads::laid_out), documents, Shape { b, t, s, h, kv_heads, d, options })
}
