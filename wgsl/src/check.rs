//! What an operation demands of its arguments, looked at in its front: on the host, from shapes and dtypes alone, so that
//! every device refuses the same mistakes in the same words. A kernel would read past a buffer's end and return numbers.

use burn::tensor::{DType, Tensor};

/// Panics unless `holds`, with the operation, the shapes of two of its arguments and the rule that they break.
#[track_caller]
pub fn shapes(operation: &str, holds: bool, [a, b]: [(&str, &[usize]); 2], rule: &str) {
    assert!(holds, "{operation}: {} {:?}, {} {:?}: {rule}", a.0, a.1, b.0, b.1);
}

/// Panics unless both arguments are of one shape.
#[track_caller]
pub fn one_shape<const D: usize>(operation: &str, [(a, x), (b, y)]: [(&str, &Tensor<D>); 2]) {
    shapes(operation, x.dims() == y.dims(), [(a, &x.dims()), (b, &y.dims())], "must be of one shape");
}

/// Panics unless both arguments are of one dtype.
#[track_caller]
pub fn one_dtype(operation: &str, [(a, x), (b, y)]: [(&str, DType); 2]) {
    assert!(x == y, "{operation}: {a} {x:?}, {b} {y:?}: must be of one dtype");
}

/// Panics if the argument is with autodiff, as raw operations are not differentiable.
#[track_caller]
pub fn plain<const D: usize>(operation: &str, name: &str, x: &Tensor<D>) {
    assert!(!x.is_autodiff(), "{operation}: {name} {:?} is with autodiff: hand it over without, by inner()", x.dims());
}

/// Panics unless the cap, where there is one, is positive.
#[track_caller]
pub fn softcap(operation: &str, cap: Option<f64>) {
    let positive = cap.is_none_or(|cap| cap.is_finite() && cap > 0.0);
    assert!(positive, "{operation}: softcap {cap:?}: must be positive");
}
