//! Products with weights.

mod backward;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
mod meeting;
#[cfg(test)]
mod tests;

// What stands for a tensor where operations are merged, which in a browser they are not.
#[cfg(not(target_family = "wasm"))]
use burn::{backend::fusion::custom::TensorSpec, tensor::Shape};
use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::{DType, Tensor, module},
};

pub(crate) use backward::{flat, forward, like};
#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;

use crate::{
    Kernel, check,
    choice::{runs, takes},
};
use meeting::Meeting;

/// `x weight + bias` over the last axis of `x` `[.., C]`: `[.., F]` by a weight `[C, F]` and a bias `[F]`, all of one dtype.
/// Differentiable in all.
///
/// # Panics
/// If the shapes do not fit one another, or the dtypes differ.
#[track_caller]
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    check_linear(&x, &weight, bias.as_ref());
    apply(x, weight, bias, None)
}

/// Several such of one `x`, as of queries, keys and values: the same values and gradients. Where kernels multiply, the gradients
/// that they have of `x` are added as they are made.
///
/// # Panics
/// As [`linear`].
#[track_caller]
pub fn linears<const D: usize, const N: usize>(
    x: Tensor<D>,
    projections: [(Tensor<2>, Option<Tensor<1>>); N],
) -> [Tensor<D>; N] {
    projections.iter().for_each(|(weight, bias)| check_linear(&x, weight, bias.as_ref()));
    if N == 1 || !takes(Kernel::Product, &x) {
        return projections.map(|(weight, bias)| apply(x.clone(), weight, bias, None));
    }
    let meeting = Meeting::default();
    let x = Tensor::<D>::from_dispatch(Dispatch::meet(x.into_dispatch(), meeting.clone()));
    projections.map(|(weight, bias)| apply(x.clone(), weight, bias, Some(meeting.clone())))
}

#[track_caller]
fn check_linear<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) {
    let (shape, [c, f]) = (x.dims(), weight.dims());
    let rule = "must be [.., C] and [C, F]";
    check::shapes("linear", shape[D - 1] == c, [("x", &shape), ("weight", &weight.dims())], rule);
    check::one_dtype("linear", [("x", x.dtype()), ("weight", weight.dtype())]);
    if let Some(bias) = bias {
        let rule = "must be [C, F] and [F]";
        check::shapes("linear", bias.dims() == [f], [("weight", &weight.dims()), ("bias", &bias.dims())], rule);
        check::one_dtype("linear", [("x", x.dtype()), ("bias", bias.dtype())]);
    }
}

fn apply<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    meeting: Option<Meeting>,
) -> Tensor<D> {
    if !takes(Kernel::Product, &x) {
        return module::linear(x, weight, bias);
    }
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => Dispatch::linear_shifted(x, weight, bias.into_dispatch(), meeting),
        None => Dispatch::linear_plain(x, weight, meeting),
    })
}

/// `sum + a b`, `[m, n]`, for a sum that goes on over several products: it is added to in place where nothing else holds it.
/// Either factor may be a transposed view, which is not copied. Not differentiable.
///
/// # Panics
/// If a tensor is with autodiff, the shapes do not fit one another, or the dtypes differ.
#[track_caller]
pub fn add_product(sum: Option<Tensor<2>>, a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let ([m, k], [b_rows, n]) = (a.dims(), b.dims());
    check::shapes("add_product", k == b_rows, [("a", &a.dims()), ("b", &b.dims())], "must be [m, k] and [k, n]");
    check::one_dtype("add_product", [("a", a.dtype()), ("b", b.dtype())]);
    for (name, tensor) in [("sum", sum.as_ref()), ("a", Some(&a)), ("b", Some(&b))] {
        tensor.into_iter().for_each(|tensor| check::plain("add_product", name, tensor));
    }
    if let Some(sum) = &sum {
        check::shapes(
            "add_product",
            sum.dims() == [m, n],
            [("sum", &sum.dims()), ("a b", &[m, n])],
            "must be of one shape",
        );
        check::one_dtype("add_product", [("sum", sum.dtype()), ("a", a.dtype())]);
    }
    if a.dtype() != DType::F32 || !runs(Kernel::Product, &a.device(), DType::F32) {
        let product = a.matmul(b);
        return match sum {
            Some(sum) => sum + product,
            None => product,
        };
    }
    let (a, b) = (a.into_dispatch(), b.into_dispatch());
    Tensor::from_dispatch(match sum {
        Some(sum) => Dispatch::product_added(sum.into_dispatch(), a, b),
        None => Dispatch::product(a, b),
    })
}

/// `sum + x`, for gradients that go on over several micro-batches: on the CPU in place, where nothing else holds `sum`, and on all
/// cores. Not differentiable.
///
/// # Panics
/// If a tensor is with autodiff, or their shapes or dtypes differ.
#[track_caller]
pub fn accumulate<const D: usize>(sum: Tensor<D>, x: Tensor<D>) -> Tensor<D> {
    let shapes = [("sum", &sum.dims()[..]), ("x", &x.dims()[..])];
    check::shapes("accumulate", sum.dims() == x.dims(), shapes, "must be of one shape");
    check::one_dtype("accumulate", [("sum", sum.dtype()), ("x", x.dtype())]);
    for (name, tensor) in [("sum", &sum), ("x", &x)] {
        check::plain("accumulate", name, tensor);
    }
    if x.dtype() != DType::F32 || !runs(Kernel::Product, &x.device(), DType::F32) {
        return sum + x;
    }
    Tensor::from_dispatch(Dispatch::accumulated(sum.into_dispatch(), x.into_dispatch()))
}

/// Backends that can apply [`linear`] by kernels.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait LinearOps: Backend {
    /// `x`, for products whose gradients of it are to meet.
    #[fusion(meta = |x, _meeting| x.clone())]
    fn meet(x: FloatTensor<Self>, meeting: Meeting) -> FloatTensor<Self>;

    /// See [`linear`]; without bias. With a meeting, `x` is what [`LinearOps::meet`] gave.
    #[fusion(meta = |x, weight, _meeting| product_of(x, weight))]
    fn linear_plain(x: FloatTensor<Self>, weight: FloatTensor<Self>, meeting: Option<Meeting>) -> FloatTensor<Self>;

    /// See [`linear`]; with bias.
    #[fusion(meta = |x, weight, _bias, _meeting| product_of(x, weight))]
    fn linear_shifted(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        meeting: Option<Meeting>,
    ) -> FloatTensor<Self>;
}

/// Backends that have the kernels; what a tape calls.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait LinearKernels: Backend {
    /// `a b`, `[m, n]`.
    #[fusion(meta = |a, b| product_of(a, b))]
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `sum + a b`, in place where nothing else holds `sum`.
    #[fusion(meta = |sum, _a, _b| sum.clone())]
    fn product_added(sum: FloatTensor<Self>, a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `a b` with `bias` `[n]` added to each row.
    #[fusion(meta = |a, b, _bias| product_of(a, b))]
    fn product_shifted(a: FloatTensor<Self>, b: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `sum + x`, in place where nothing else holds `sum`.
    #[fusion(meta = |sum, _x| sum.clone())]
    fn accumulated(sum: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The sum of the rows of `x` `[m, n]`, `[n]`.
    #[fusion(meta = |x| TensorSpec::new(Shape::new([x.shape[1]]), x.dtype))]
    fn sum_of_rows(x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Of `x` `[.., C]` and a weight `[C, F]`.
#[cfg(not(target_family = "wasm"))]
fn product_of(x: &TensorSpec, weight: &TensorSpec) -> TensorSpec {
    let mut dims = x.shape.as_slice().to_vec();
    *dims.last_mut().expect("a tensor has an axis") = weight.shape[1];
    TensorSpec::new(Shape::from(dims), x.dtype)
}
