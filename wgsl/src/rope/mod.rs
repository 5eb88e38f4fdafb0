//! Rotation of pairs of channels by their positions' angles (RoPE; Su et al. 2021, arXiv 2104.09864, section 3.2.2).

mod backward;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
#[cfg(test)]
mod tests;

use burn::{
    backend::{Backend, Dispatch, backend_extension, tensor::FloatTensor},
    tensor::{DType, Tensor},
};

#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shaders;

use crate::{Kernel, check, choice::takes};

/// Rotates each pair `(a, b)` of the channels of `q` `[B, T, H, D]` and `k` `[B, T, K, D]` to
/// `(a cos - b sin, b cos + a sin)`.
///
/// `cosines` and `sines` are `[1, T, D / 2]`, or `[B, T, D / 2]` where sequences have positions of their own; they are
/// taken as constants in f32, whatever `q` and `k` are stored in. Pairs are neighbours where `interleaved`, else channels
/// `D / 2` apart. Differentiable in `q` and `k`.
///
/// # Panics
/// If `q` and `k` differ in `B`, `T`, `D` or dtype, if `D` is odd, or if the angles are of another `B`, `T` or `D`.
#[track_caller]
pub fn rotate(
    q: Tensor<4>,
    k: Tensor<4>,
    cosines: Tensor<3>,
    sines: Tensor<3>,
    interleaved: bool,
) -> (Tensor<4>, Tensor<4>) {
    let ([b, t, _, d], [k_b, k_t, _, k_d], [rows, positions, half]) = (q.dims(), k.dims(), cosines.dims());
    let alike = [b, t, d] == [k_b, k_t, k_d] && d.is_multiple_of(2);
    check::shapes("rotate", alike, [("q", &q.dims()), ("k", &k.dims())], "must have the same B, T and D, and D even");
    check::one_dtype("rotate", [("q", q.dtype()), ("k", k.dtype())]);
    let fits = (rows == 1 || rows == b) && positions == t && 2 * half == d;
    let rule = "angles must be [1, T, D / 2] or [B, T, D / 2]";
    check::shapes("rotate", fits, [("q", &q.dims()), ("cosines", &cosines.dims())], rule);
    check::one_shape("rotate", [("cosines", &cosines), ("sines", &sines)]);
    let [cosines, sines] = [cosines, sines].map(|angles| angles.without_autodiff().cast(DType::F32));
    if takes(Kernel::Rope, &q) {
        let [q, k, cosines, sines] =
            [q.into_dispatch(), k.into_dispatch(), cosines.into_dispatch(), sines.into_dispatch()];
        let (q, k) = Dispatch::rotate(q, k, cosines, sines, interleaved, false);
        return (Tensor::from_dispatch(q), Tensor::from_dispatch(k));
    }
    let turned = |x| reference(x, cosines.clone(), sines.clone(), interleaved);
    (turned(q), turned(k))
}

/// The same in plain Burn operations, of one tensor.
fn reference(x: Tensor<4>, cosines: Tensor<3>, sines: Tensor<3>, interleaved: bool) -> Tensor<4> {
    let [b, t, h, d] = x.dims();
    // Pairs along an axis of their own: the fourth, or the last where they are neighbours.
    let (shape, axis) = if interleaved { ([b, t, h, d / 2, 2], 4) } else { ([b, t, h, 2, d / 2], 3) };
    let stored = x.dtype();
    let angles = |table: Tensor<3>| {
        let [rows, t, half] = table.dims();
        table.cast(stored).reshape(if interleaved { [rows, t, 1, half, 1] } else { [rows, t, 1, 1, half] })
    };
    let (x, cosines, sines) = (x.reshape(shape), angles(cosines), angles(sines));
    let [first, second] = [0, 1].map(|at| x.clone().narrow(axis, at, 1));
    let turned = Tensor::cat(vec![-second, first], axis);
    (x * cosines + turned * sines).reshape([b, t, h, d])
}

/// Backends that have the kernel.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait RopeOps: Backend {
    /// See [`rotate`](rotate()); `back` rotates the other way.
    #[fusion(meta = |q, k, _cosines, _sines, _interleaved, _back| (q.clone(), k.clone()))]
    fn rotate(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        cosines: FloatTensor<Self>,
        sines: FloatTensor<Self>,
        interleaved: bool,
        back: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}
