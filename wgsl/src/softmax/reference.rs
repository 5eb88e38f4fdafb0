//! The same in Burn's own operations, which fusion sees through.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};

pub(super) fn softmax<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let last = x.shape().num_dims() - 1;
    B::softmax(x, last)
}

/// `dx = y (dy - sum(y dy))`.
pub(super) fn softmax_backward<B: Backend>(y: FloatTensor<B>, grad: FloatTensor<B>) -> FloatTensor<B> {
    let last = y.shape().num_dims() - 1;
    let weighted = B::float_mul(y.clone(), grad.clone());
    B::float_mul(y, B::float_sub(grad, B::float_sum_dim(weighted, last)))
}
