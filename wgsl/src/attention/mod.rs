//! Causal attention with nothing of the size `[T, S]` in memory.
//!
//! The kernels keep one number a row of scores, their log-sum-exp, and make the scores again in the backward passes: one
//! for the queries, one for keys and values. Where the kernels cannot run, the plain operations do. The three tiled shaders begin
//! with the text of `tile.wgsl`.

mod backward;
mod kernel;
mod reference;
#[cfg(test)]
mod tests;

use burn::{
    backend::{
        Backend, Dispatch, TensorMetadata, backend_extension,
        fusion::custom::TensorSpec,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{DType, Int, Shape, Tensor},
};

#[cfg(test)]
pub(crate) use kernel::shaders;
use reference::reference;

use crate::{Kernel, launch::takes};

/// Which keys a query sees, and what becomes of its scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AttentionOptions {
    /// Position of the first query; that of the first key is 0.
    pub start: usize,
    /// A query sees so many of the last keys, its own included; all where there is none (Beltagy et al. 2020, arXiv
    /// 2004.05150).
    pub window: Option<usize>,
    /// Scores become `cap tanh(score / cap)` (Gemma 2, arXiv 2408.00118).
    pub softcap: Option<f64>,
}

/// `softmax(mask(q k^T / sqrt(D))) v` (Vaswani et al. 2017, arXiv 1706.03762), `[B, T, H, D]` as the queries.
///
/// `q` `[B, T, H, D]`; `k` and `v` `[B, S, K, D]`, where `H / K` heads share a key (Ainslie et al. 2023, arXiv
/// 2305.13245). The query at `t` has the position `start + t` and sees the keys up to it; with `documents` `[B, S]` only
/// those of its own number. Differentiable in `q`, `k` and `v`.
///
/// # Panics
/// If a query's position has no key.
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    documents: Option<Tensor<2, Int>>,
    options: AttentionOptions,
) -> Tensor<4> {
    let ([_, t, ..], [_, s, ..]) = (q.dims(), k.dims());
    assert!(options.start + t <= s, "queries {} .. {} have {s} keys", options.start, options.start + t);
    if !runs_kernel(&q) {
        return reference(q, k, v, documents, options);
    }
    let masked = documents.is_some();
    // A binding cannot be empty, nor the same buffer as another.
    let documents = documents.unwrap_or_else(|| Tensor::zeros([1, 1], &q.device().without_autodiff()));
    let documents = documents.into_dispatch();
    let y = Dispatch::attend(q.into_dispatch(), k.into_dispatch(), v.into_dispatch(), documents, masked, options);
    Tensor::from_dispatch(y)
}

/// Whether there are kernels for heads of `d` channels: whole vectors of four, and no more than an invocation can hold.
pub fn has_kernel(d: usize) -> bool {
    d.is_multiple_of(4) && d <= 256
}

fn runs_kernel(q: &Tensor<4>) -> bool {
    let [b, _, h, d] = q.dims();
    has_kernel(d) && b * h <= 65_535 && takes(Kernel::Attention, q)
}

/// Backends with the kernels.
#[backend_extension(Cube, Autodiff, Fusion)]
pub trait AttentionOps: Backend {
    /// See [`attention`]; `masked` says whether `documents` count.
    #[fusion(default)]
    fn attend(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        documents: IntTensor<Self>,
        masked: bool,
        options: AttentionOptions,
    ) -> FloatTensor<Self> {
        let dtype = q.dtype();
        Self::float_cast(Self::attend_forward(q, k, v, documents, masked, options).0, dtype.into())
    }

    /// The result, and the log-sum-exp of each row of scores, `[B, T, H]`; both f32, for backward takes differences of them.
    #[fusion(meta = |q, _k, _v, _documents, _masked, _options| (in_f32(&q.shape), in_f32(&q.shape.as_slice()[..3].into())))]
    fn attend_forward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        documents: IntTensor<Self>,
        masked: bool,
        options: AttentionOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradients of `q`, `k` and `v`, given what the forward pass gave and the gradient of its result.
    #[allow(clippy::too_many_arguments)]
    #[fusion(meta = |q, k, v, _documents, _y, _lse, _dy, _masked, _options| (q.clone(), k.clone(), v.clone()))]
    fn attend_backward(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        documents: IntTensor<Self>,
        y: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        masked: bool,
        options: AttentionOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

fn in_f32(shape: &Shape) -> TensorSpec {
    TensorSpec::new(shape.clone(), DType::F32)
}
