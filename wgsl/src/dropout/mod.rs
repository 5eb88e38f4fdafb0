//! Dropout whose mask is a pure function of a [`Key`], so that a recomputed segment and a resumed run see the same mask.
//!
//! Source of the method: Srivastava et al., "Dropout", JMLR 2014, in the inverted form (kept values are scaled up).

mod backward;
mod cpu;
#[cfg(feature = "gpu")]
mod kernel;
#[cfg(test)]
mod tests;

use burn::{
    backend::{Backend, Dispatch, TensorMetadata, backend_extension, tensor::FloatTensor},
    tensor::{Tensor, TensorData},
};

use crate::Key;
#[cfg(all(test, feature = "gpu"))]
pub(crate) use kernel::shader;

/// Zeroes each element of `x` with probability `rate` and scales the others by `1 / (1 - rate)`.
///
/// Shape and dtype are those of `x`, which may have any rank. Element `i` (row-major) is kept where word `i` of the
/// key's stream lies under `(1 - rate) * 2^32`; the same on every device, bit for bit. Differentiable in `x`.
///
/// # Panics
/// If `rate` is not in `[0, 1)`.
#[track_caller]
pub fn dropout<const D: usize>(x: Tensor<D>, key: Key, rate: f64) -> Tensor<D> {
    assert!((0.0..1.0).contains(&rate), "dropout: rate {rate} is not in [0, 1)");
    if rate == 0.0 {
        return x;
    }
    let [key_0, key_1] = key.words();
    Tensor::from_dispatch(Dispatch::dropout(x.into_dispatch(), key_0, key_1, rate))
}

/// Backends that can apply dropout; the default body is the reference.
#[backend_extension(Cube: cfg(feature = "gpu"), Flex, Autodiff, Fusion: cfg(not(target_family = "wasm")))]
pub trait DropoutOps: Backend {
    /// See [`dropout`]; the key comes as its two words.
    #[fusion(dtype = x, shape = x)]
    fn dropout(x: FloatTensor<Self>, key_0: u32, key_1: u32, rate: f64) -> FloatTensor<Self> {
        reference::<Self>(x, key_0, key_1, rate)
    }
}

/// The mask drawn on the host and multiplied in: slow on a GPU, right everywhere.
fn reference<B: Backend>(x: FloatTensor<B>, key_0: u32, key_1: u32, rate: f64) -> FloatTensor<B> {
    let shape = x.shape();
    let mask = Mask::new(key_0, key_1, rate).values(shape.num_elements());
    let mask = B::float_from_data(TensorData::new(mask, shape), &x.device());
    let mask = B::float_cast(mask, x.dtype().into());
    B::float_mul(x, mask)
}

/// The mask's parameters in the form that both the kernels and the reference use.
#[derive(Clone, Copy)]
struct Mask {
    key: Key,
    keep_below: u32,
    scale: f32,
}

impl Mask {
    fn new(key_0: u32, key_1: u32, rate: f64) -> Self {
        let keep = 1.0 - rate;
        Self {
            key: Key::new(u64::from(key_0) | u64::from(key_1) << 32),
            // Saturates: a rate below 2^-33 keeps everything but one word in 2^32.
            keep_below: (keep * 2f64.powi(32)).round() as u32,
            scale: (1.0 / keep) as f32,
        }
    }

    /// The first `count` values of the mask: 0 or the scale.
    fn values(&self, count: usize) -> Vec<f32> {
        let mut values = Vec::with_capacity(count + 1);
        for pair in 0..count.div_ceil(2) {
            for word in self.key.bits([pair as u32, 0]) {
                values.push(if word < self.keep_below { self.scale } else { 0.0 });
            }
        }
        values.truncate(count);
        values
    }
}
