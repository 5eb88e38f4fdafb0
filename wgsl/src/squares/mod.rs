//! The sum of the squares of many tensors, for their global norm: one launch a tensor, nothing as large as a tensor written.

mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
#[cfg(test)]
mod tests;

use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::{DType, Device, Tensor},
};

#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;

use crate::{
    Kernel, check,
    choice::{runs, takes},
};

/// Partial sums that the kernels keep: enough workgroups for any device.
pub(crate) const PARTIAL: usize = 256;

/// Partial sums `[n]` in f32, `before` if there are any, and the squares of `x` added to them; their sum is that of all squares.
///
/// How many there are, `n`, is the backend's affair; sums go on from sums of the same device and dtype. The bits depend on
/// the values and their order in `x` alone, not on its shape. Not differentiable.
///
/// # Panics
/// If `before` or `x` is with autodiff, or `before` is not what this function or [`squares_from`] gave on this device.
#[track_caller]
pub fn add_squares<const D: usize>(before: Option<Tensor<1>>, x: Tensor<D>) -> Tensor<1> {
    check::plain("add_squares", "x", &x);
    let by_kernel = takes(Kernel::Squares, &x);
    if let Some(before) = &before {
        check::plain("add_squares", "before", before);
        let own = before.dims() == [if by_kernel { PARTIAL } else { 1 }] && before.dtype() == DType::F32;
        let shapes = [("before", &before.dims()[..]), ("x", &x.dims())];
        check::shapes("add_squares", own, shapes, "must go on from partial sums of this device, in f32");
    }
    if by_kernel {
        let before = before.unwrap_or_else(|| Tensor::zeros([PARTIAL], (&x.device(), DType::F32)));
        return Tensor::from_dispatch(Dispatch::add_squares(before.into_dispatch(), x.into_dispatch()));
    }
    let square = plain(x.cast(DType::F32).flatten::<1>(0, D - 1));
    match before {
        Some(before) => before + square,
        None => square,
    }
}

/// Partial sums that were read back, for [`add_squares`] on `device`, which may keep another number of them.
pub fn squares_from(sums: &[f32], device: &Device) -> Tensor<1> {
    let device = &device.clone().without_autodiff();
    let count = if runs(Kernel::Squares, device, DType::F32) { PARTIAL } else { 1 };
    if sums.len() == count {
        return Tensor::from_floats(sums, device);
    }
    let mut merged = vec![0.0; count];
    merged[0] = sums.iter().sum();
    Tensor::from_floats(merged.as_slice(), device)
}

/// Sums of rows, then their sum: one reduction over everything may use float atomics, whose order varies, and one long
/// sum in turn loses digits.
fn plain(x: Tensor<1>) -> Tensor<1> {
    let count = x.shape().num_elements();
    let columns = count.isqrt().max(1);
    let whole = count - count % columns;
    let rows = x.clone().narrow(0, 0, whole).reshape([whole / columns, columns]);
    let sum = rows.square().sum_dim(1).sum_dim(0).reshape([1]);
    match count - whole {
        0 => sum,
        rest => sum + x.narrow(0, whole, rest).square().sum_dim(0),
    }
}

/// Backends that have the kernel.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Fusion: cfg(not(target_family = "wasm")))]
pub trait SquaresOps: Backend {
    /// See [`add_squares`].
    #[fusion(meta = |before, _x| before.clone())]
    fn add_squares(before: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;
}
