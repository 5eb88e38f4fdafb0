//! Mixtures of experts: which rows go to which expert, products of rows with their expert's weight, and gradients that balance.
//!
//! No row is dropped and none is padded: rows are sorted by their expert, and a product goes over each expert's run of them.
//! The sorting is stable and the sums go in the order of the rows, without atomics, so that a step that is taken again has the
//! same bits.

mod backward;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
mod reference;
mod routing;
#[cfg(test)]
mod tests;

// What stands for a tensor where operations are merged, which in a browser they are not.
#[cfg(not(target_family = "wasm"))]
use burn::{backend::fusion::custom::TensorSpec, tensor::DType};
use burn::{
    backend::{
        Backend, Dispatch, TensorMetadata, backend_extension,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{Int, IntDType, Tensor},
};

#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;

pub use routing::Routing;

use crate::{Kernel, check, choice::takes};

/// Sends each row to the `k` experts with its largest `scores + bias`; of equal ones to the first. Nothing waits for the device.
///
/// `scores` is `[N, E]`, `bias` `[E]`. Not differentiable.
///
/// # Panics
/// If the shapes do not fit one another, `k` is not from 1 to `E`, or a tensor is with autodiff.
#[track_caller]
pub fn route(scores: Tensor<2>, bias: Tensor<1>, k: usize) -> Routing {
    let [n, experts] = scores.dims();
    let shapes = [("scores", &scores.dims()[..]), ("bias", &bias.dims())];
    check::shapes("route", bias.dims() == [experts], shapes, "must be [N, E] and [E]");
    assert!((1..=experts).contains(&k), "route: k = {k} of {experts} experts: must be from 1 to {experts}");
    check::plain("route", "scores", &scores);
    check::plain("route", "bias", &bias);
    if !takes(Kernel::Experts, &scores) {
        return reference::route(scores, bias, k);
    }
    let found = Dispatch::route(scores.into_dispatch(), bias.into_dispatch(), k);
    let [chosen, rows, places, starts] = [found.0, found.1, found.2, found.3].map(Tensor::<1, Int>::from_dispatch);
    Routing { experts: chosen.reshape([n, k]), rows, places: places.reshape([n, k]), starts }
}

/// The product of each of `x`'s rows `[M, C]`, which are sorted by expert, with its expert's weight of `[E, C, F]`: `[M, F]`. Expert
/// `e` has the rows from `starts[e]` to before `starts[e + 1]`. Differentiable in `x` and `weight`.
///
/// # Panics
/// If the shapes do not fit one another, or the dtypes differ.
#[track_caller]
pub fn grouped(x: Tensor<2>, weight: Tensor<3>, starts: Tensor<1, Int>) -> Tensor<2> {
    let ([_, c], [experts, inputs, _], [ends]) = (x.dims(), weight.dims(), starts.dims());
    let shapes = [("x", &x.dims()[..]), ("weight", &weight.dims())];
    check::shapes("grouped", c == inputs, shapes, "must be [M, C] and [E, C, F]");
    let shapes = [("weight", &weight.dims()[..]), ("starts", &starts.dims())];
    check::shapes("grouped", ends == experts + 1, shapes, "must be [E, C, F] and [E + 1]");
    check::one_dtype("grouped", [("x", x.dtype()), ("weight", weight.dtype())]);
    let starts = starts.without_autodiff();
    if !takes(Kernel::Experts, &x) {
        return reference::grouped(x, weight, starts);
    }
    let starts = starts.cast(IntDType::I32).into_dispatch();
    Tensor::from_dispatch(Dispatch::grouped(x.into_dispatch(), weight.into_dispatch(), starts))
}

/// `x`, on whose way back `gradient` is added to that of `other`: the gradient of a loss that is nowhere else. Without autodiff just
/// `x`.
///
/// # Panics
/// If `gradient` is with autodiff, or differs from `other` in shape or dtype.
#[track_caller]
pub fn carrying<const D: usize, const R: usize>(x: Tensor<D>, other: Tensor<R>, gradient: Tensor<R>) -> Tensor<D> {
    check::plain("carrying", "gradient", &gradient);
    check::one_shape("carrying", [("other", &other), ("gradient", &gradient)]);
    check::one_dtype("carrying", [("other", other.dtype()), ("gradient", gradient.dtype())]);
    if !x.is_autodiff() {
        return x;
    }
    let gradient = Tensor::<R>::from_inner(gradient);
    Tensor::from_dispatch(Dispatch::carrying(x.into_dispatch(), other.into_dispatch(), gradient.into_dispatch()))
}

/// Backends that can multiply by expert.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait ExpertOps: Backend {
    /// See [`grouped`].
    #[fusion(meta = |x, weight, _starts| TensorSpec::new([x.shape[0], weight.shape[2]].into(), x.dtype))]
    fn grouped(x: FloatTensor<Self>, weight: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self>;
}

/// Backends whose tapes can carry a gradient.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait CarryOps: Backend {
    /// See [`carrying`].
    #[fusion(default)]
    fn carrying(x: FloatTensor<Self>, other: FloatTensor<Self>, gradient: FloatTensor<Self>) -> FloatTensor<Self> {
        let _ = (other, gradient);
        x
    }
}

/// Backends that have the kernels; what a tape calls.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait ExpertKernels: Backend {
    /// See [`route`]: experts and places as `[N k]`.
    #[fusion(meta = |scores, bias, k| {
        let (slots, ends) = (scores.shape[0] * k, bias.shape[0] + 1);
        (integers(slots), integers(slots), integers(slots), integers(ends))
    })]
    fn route(
        scores: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        k: usize,
    ) -> (IntTensor<Self>, IntTensor<Self>, IntTensor<Self>, IntTensor<Self>);

    /// See [`grouped`]; with `turned` the weights are `[E, F, C]`.
    #[fusion(meta = |x, weight, _starts, turned| {
        TensorSpec::new([x.shape[0], weight.shape[if *turned { 1 } else { 2 }]].into(), x.dtype)
    })]
    fn grouped_product(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        starts: IntTensor<Self>,
        turned: bool,
    ) -> FloatTensor<Self>;

    /// The gradient `[E, C, F]` of the weights: of each expert `x^T dy` over its rows.
    #[fusion(meta = |x, dy, starts| {
        TensorSpec::new([starts.shape[0] - 1, x.shape[1], dy.shape[1]].into(), x.dtype)
    })]
    fn grouped_outer(x: FloatTensor<Self>, dy: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self>;
}

/// `[count]`.
#[cfg(not(target_family = "wasm"))]
fn integers(count: usize) -> TensorSpec {
    TensorSpec::new([count].into(), DType::I32)
}

/// `[M, C]` and `[E, C, F]`, or `[E, F, C]` where they are `turned`: `E`, `C` and `F`.
fn sizes<B: Backend>(weight: &FloatTensor<B>, turned: bool) -> [usize; 3] {
    let [experts, inputs, outputs] = weight.shape().dims();
    if turned { [experts, outputs, inputs] } else { [experts, inputs, outputs] }
}
