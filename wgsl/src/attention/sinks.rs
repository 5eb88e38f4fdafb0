//! Sinks: a logit a head that takes its share of the softmax and has no value (Xiao et al. 2023, arXiv 2309.17453; learned in
//! gpt-oss, arXiv 2508.10925).
//!
//! No kernel knows of them. Of the softmax over a row's scores, whose log-sum-exp is `lse`, a sink leaves
//! `gate = sigmoid(lse - sink)`: the result is `gate y` and the log-sum-exp, of the sink too, `lse - ln gate`. The backward
//! kernels make weights from scores and log-sum-exp and take `delta = sum(dy y)` off their gradients, so that given these two
//! they give the gradients under sinks. The sink's own weight is `exp(sink - lse)` with the new `lse`, its value nothing, and
//! its gradient so `-exp(sink - lse) delta`, summed over rows.

use burn::{
    backend::{Backend, TensorMetadata, tensor::FloatTensor},
    tensor::{DType, FloatDType, Shape},
};

/// The result `[B, T, H, D]` and the log-sum-exp `[B, T, H]` under sinks `[H]`, given those without; all f32 but the sinks.
pub fn under_sinks<B: Backend>(
    y: FloatTensor<B>,
    lse: FloatTensor<B>,
    sinks: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let [b, t, h] = lse.shape().dims();
    // -ln gate = ln(1 + exp(sink - lse)).
    let taken = B::float_log1p(B::float_exp(B::float_sub(of_rows::<B>(sinks), lse.clone())));
    let gate = B::float_reshape(B::float_exp(B::float_neg(taken.clone())), Shape::new([b, t, h, 1]));
    (B::float_mul(y, gate), B::float_add(lse, taken))
}

/// The gradient of sinks `[H]`, given what [`under_sinks`] gave and the gradient of its result.
pub fn gradient<B: Backend>(
    y: FloatTensor<B>,
    lse: FloatTensor<B>,
    sinks: FloatTensor<B>,
    dy: FloatTensor<B>,
) -> FloatTensor<B> {
    let ([b, t, h], dtype) = (lse.shape().dims(), sinks.dtype());
    let delta = B::float_sum_dim(B::float_mul(B::float_cast(dy, FloatDType::F32), y), 3);
    let weights = B::float_exp(B::float_sub(of_rows::<B>(sinks), lse));
    let shares = B::float_mul(weights, B::float_reshape(delta, Shape::new([b, t, h])));
    let sum = B::float_sum_dim(B::float_reshape(shares, Shape::new([b * t, h])), 0);
    B::float_cast(B::float_reshape(B::float_neg(sum), Shape::new([h])), dtype.into())
}

/// As rows `[1, 1, H]`, in f32.
fn of_rows<B: Backend>(sinks: FloatTensor<B>) -> FloatTensor<B> {
    let shape = Shape::new([1, 1, sinks.shape()[0]]);
    let sinks = if sinks.dtype() == DType::F32 { sinks } else { B::float_cast(sinks, FloatDType::F32) };
    B::float_reshape(sinks, shape)
}
