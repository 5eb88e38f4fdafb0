//! Causal attention with nothing of the size `[T, S]` in memory.
//!
//! The kernels keep one number a row of scores, their log-sum-exp, and make the scores again in the backward passes: one
//! for the queries, one for keys and values. Where the kernels cannot run, the plain operations do. The three tiled shaders begin
//! with the text of `tile.wgsl`.

mod backward;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
mod options;
mod reference;
mod sinks;
#[cfg(test)]
mod tests;
mod tile;

// What stands for a tensor where operations are merged, which in a browser they are not.
#[cfg(not(target_family = "wasm"))]
use burn::{
    backend::fusion::custom::TensorSpec,
    tensor::{DType, Shape},
};
use burn::{
    backend::{
        Backend, Dispatch, ExtensionType, backend_extension,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{Int, IntDType, Tensor},
};

#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;
use reference::reference;

pub use options::AttentionOptions;

use crate::{
    Kernel, check,
    choice::{WORKGROUPS_PER_DIMENSION, is_cpu, takes},
};

/// `softmax(mask(q k^T / sqrt(D))) v` (Vaswani et al. 2017, arXiv 1706.03762), `[B, T, H, D]` as the queries.
///
/// `q` is `[B, T, H, D]`; `k` and `v` are `[B, S, K, D]`, where `H / K` heads share a key (Ainslie et al. 2023, arXiv
/// 2305.13245). Time stands before the heads, as projections give it, and not after them as in PyTorch's
/// `scaled_dot_product_attention`: where the sizes happen to fit, nobody can notice that the two were exchanged. The query at
/// `t` has the position `start + t` and sees the keys up to it; with `documents` `[B, S]` only those of its own number.
/// Differentiable in `q`, `k` and `v`; the dtype is theirs.
///
/// # Panics
/// If the shapes do not fit one another, a query's position has no key, `K` does not divide `H`, the dtypes differ, the window
/// is 0 or the soft-cap not positive.
#[track_caller]
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    documents: Option<Tensor<2, Int>>,
    options: AttentionOptions,
) -> Tensor<4> {
    run(q, k, v, None, documents, options)
}

/// [`attention()`] whose softmax has one more logit a head, of `sinks` `[H]`, that has no value: what it takes, no position gets
/// (Xiao et al. 2023, arXiv 2309.17453; gpt-oss, arXiv 2508.10925). Differentiable in the sinks too.
///
/// # Panics
/// As [`attention()`], and if there is not one sink a head, of the dtype of `q`.
#[track_caller]
pub fn attention_with_sinks(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    sinks: Tensor<1>,
    documents: Option<Tensor<2, Int>>,
    options: AttentionOptions,
) -> Tensor<4> {
    run(q, k, v, Some(sinks), documents, options)
}

#[track_caller]
fn run(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    sinks: Option<Tensor<1>>,
    documents: Option<Tensor<2, Int>>,
    options: AttentionOptions,
) -> Tensor<4> {
    check_arguments(&q, &k, &v, documents.as_ref(), options);
    check_sinks(&q, sinks.as_ref());
    let documents = documents.map(Tensor::without_autodiff);
    // A window over all keys is none: whatever its size, nothing is added to it that could wrap.
    let options = AttentionOptions { window: options.window.filter(|window| *window < k.dims()[1]), ..options };
    if !runs_kernel(&q, &k) {
        return reference(q, k, v, sinks, documents, options);
    }
    let masked = documents.is_some();
    // A binding cannot be empty, nor the same buffer as another.
    let documents = documents.unwrap_or_else(|| Tensor::zeros([1, 1], &q.device().without_autodiff()));
    let documents = documents.cast(IntDType::I32).into_dispatch();
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    let inputs = Inputs { q, k, v, documents, masked, options };
    Tensor::from_dispatch(match sinks {
        Some(sinks) => Dispatch::attend_with_sinks(inputs, sinks.into_dispatch()),
        None => Dispatch::attend(inputs),
    })
}

/// What [`attention()`] mixes values by, `[B, H, T, S]`, and [`attention_with_sinks`] where there are `sinks`: by plain operations,
/// for people to look at.
///
/// # Panics
/// As these.
#[track_caller]
pub fn attention_weights(
    q: Tensor<4>,
    k: Tensor<4>,
    sinks: Option<Tensor<1>>,
    documents: Option<Tensor<2, Int>>,
    options: AttentionOptions,
) -> Tensor<4> {
    check_arguments(&q, &k, &k, documents.as_ref(), options);
    check_sinks(&q, sinks.as_ref());
    reference::weights(q, k, sinks, documents.map(Tensor::without_autodiff), options)
}

#[track_caller]
fn check_sinks(q: &Tensor<4>, sinks: Option<&Tensor<1>>) {
    let Some(sinks) = sinks else { return };
    let ([_, _, h, _], shapes) = (q.dims(), [("q", &q.dims()[..]), ("sinks", &sinks.dims())]);
    check::shapes("attention", sinks.dims() == [h], shapes, "must have one sink a head");
    check::one_dtype("attention", [("q", q.dtype()), ("sinks", sinks.dtype())]);
}

#[track_caller]
fn check_arguments(
    q: &Tensor<4>,
    k: &Tensor<4>,
    v: &Tensor<4>,
    documents: Option<&Tensor<2, Int>>,
    options: AttentionOptions,
) {
    let ([b, t, h, d], [k_b, s, kv_heads, k_d]) = (q.dims(), k.dims());
    let shapes = [("q", &q.dims()[..]), ("k", &k.dims())];
    check::shapes(
        "attention",
        [b, d] == [k_b, k_d],
        shapes,
        "must have the same B and D, as [B, T, H, D] and [B, S, K, D]",
    );
    let heads = kv_heads > 0 && h.is_multiple_of(kv_heads);
    check::shapes("attention", heads, shapes, "the heads of k must divide those of q");
    check::one_shape("attention", [("k", k), ("v", v)]);
    check::one_dtype("attention", [("q", q.dtype()), ("k", k.dtype())]);
    check::one_dtype("attention", [("q", q.dtype()), ("v", v.dtype())]);
    let end = options.start.saturating_add(t);
    assert!(t > 0 && end <= s, "attention: queries {} .. {end} have {s} keys", options.start);
    if let Some(documents) = documents {
        let shapes = [("documents", &documents.dims()[..]), ("k", &k.dims())];
        check::shapes("attention", documents.dims() == [b, s], shapes, "must have a number for each key, [B, S]");
    }
    assert!(options.window != Some(0), "attention: window 0: a query sees its own key at least; none is None");
    check::softcap("attention", options.softcap);
}

/// Whether a GPU has kernels for heads of `d` channels: whole vectors of four, and no more than an invocation can hold. The CPU's
/// take any.
pub fn has_attention_kernel(d: usize) -> bool {
    d.is_multiple_of(4) && (4..=256).contains(&d)
}

fn runs_kernel(q: &Tensor<4>, k: &Tensor<4>) -> bool {
    let ([b, _, h, d], [_, s, ..]) = (q.dims(), k.dims());
    let most = WORKGROUPS_PER_DIMENSION as usize;
    let fits = || has_attention_kernel(d) && b * h <= most && s.div_ceil(tile::ROWS) <= most;
    takes(Kernel::Attention, q) && (is_cpu(&q.device()) || fits())
}

/// What goes in, [`attention`]'s arguments.
#[derive(ExtensionType)]
#[cfg_attr(not(target_family = "wasm"), extension_type(fusion))]
pub struct Inputs<B: Backend> {
    /// `[B, T, H, D]`
    pub q: FloatTensor<B>,
    /// `[B, S, K, D]`
    pub k: FloatTensor<B>,
    /// `[B, S, K, D]`
    pub v: FloatTensor<B>,
    /// `[B, S]`, or anything where they are not masked.
    pub documents: IntTensor<B>,
    /// Whether documents count.
    pub masked: bool,
    /// See there.
    pub options: AttentionOptions,
}

impl<B: Backend> Clone for Inputs<B> {
    fn clone(&self) -> Self {
        let Self { q, k, v, documents, masked, options } = self;
        let (q, k, v, documents) = (q.clone(), k.clone(), v.clone(), documents.clone());
        Self { q, k, v, documents, masked: *masked, options: *options }
    }
}

/// Backends that can apply [`attention`] by the kernels.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait AttentionOps: Backend {
    /// See [`attention`].
    #[fusion(meta = |inputs| inputs.q.clone())]
    fn attend(#[extension_type] inputs: Inputs<Self>) -> FloatTensor<Self>;

    /// See [`attention_with_sinks`].
    #[fusion(meta = |inputs, _sinks| inputs.q.clone())]
    fn attend_with_sinks(#[extension_type] inputs: Inputs<Self>, sinks: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Backends that have the kernels; what a tape calls.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait AttentionKernels: Backend {
    /// The result, and the log-sum-exp of each row of scores, `[B, T, H]`; both f32, for backward takes differences of them.
    #[fusion(meta = |inputs| (in_f32(&inputs.q.shape), in_f32(&inputs.q.shape.as_slice()[..3].into())))]
    fn attend_forward(#[extension_type] inputs: Inputs<Self>) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// As [`AttentionKernels::attend_forward`], under sinks.
    #[fusion(meta = |inputs, _sinks| (in_f32(&inputs.q.shape), in_f32(&inputs.q.shape.as_slice()[..3].into())))]
    fn attend_forward_with_sinks(
        #[extension_type] inputs: Inputs<Self>,
        sinks: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of the sinks, given what the forward pass under them gave and the gradient of its result.
    #[fusion(meta = |_y, _lse, sinks, _dy| sinks.clone())]
    fn attend_backward_of_sinks(
        y: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        sinks: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// The gradients of `q`, `k` and `v`, given what the forward pass gave, under sinks or without, and the gradient of its
    /// result.
    #[fusion(meta = |inputs, _y, _lse, _dy| (inputs.q.clone(), inputs.k.clone(), inputs.v.clone()))]
    fn attend_backward(
        #[extension_type] inputs: Inputs<Self>,
        y: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

#[cfg(not(target_family = "wasm"))]
fn in_f32(shape: &Shape) -> TensorSpec {
    TensorSpec::new(shape.clone(), DType::F32)
}
