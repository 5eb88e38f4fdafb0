//! One test body on every device: the CPU backend, and wgpu where an adapter exists.
//!
//! Only for tests. [`each_device!`](crate::each_device) turns a function of a [`Device`] into two tests, `cpu` and
//! `wgpu`. Where no adapter exists the second says so on stderr and passes, unless `HEARTH_REQUIRE_WGPU` is set.

#[cfg(feature = "gpu")]
mod gpu;
mod skipped;

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

#[cfg(feature = "gpu")]
pub use gpu::{ShaderFault, inject, wgpu_device, with_products};
#[cfg(feature = "gpu")]
pub(crate) use gpu::{fault_in, has_products, with_fault};

pub use skipped::skipped;

use crate::Key;

/// Uniform values in `range`: the same for a seed on every device and in every run.
pub fn uniform<const D: usize>(shape: [usize; D], range: Range<f32>, seed: u64, device: &Device) -> Tensor<D> {
    let value = |at: usize| {
        let [word, _] = Key::new(seed).bits([at as u32, 0]);
        range.start + (range.end - range.start) * (word >> 8) as f32 / (1 << 24) as f32
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Compares the gradient of `operation` with five-point central differences, in the middle of a graph: of
/// `sum(w * operation(x^2))`, so that a backward pass that ignores what arrives from above is found out.
///
/// Five points, because two leave an error in the third derivative: more than the tolerance where a norm happens to
/// meet a row that is nearly constant.
///
/// # Panics
/// If they differ by more than differences in f32 explain: by 5e-4 of the derivative itself, 2e-4 of the largest one, and never
/// by more than 2e-3.
pub fn gradient_by_differences(shape: [usize; 2], device: &Device, operation: impl Fn(Tensor<2>) -> Tensor<2>) {
    const STEP: f32 = 1e-2;
    let values = |x: Tensor<2>| x.into_data().iter().collect::<Vec<f32>>();
    let x = uniform(shape, 0.5..1.5, 1, device);
    let weight = uniform(shape, -1.0..1.0, 2, device);
    let loss = |x: Tensor<2>| weight.clone() * operation(x.square());

    let leaf = x.clone().autodiff().require_grad();
    let gradients = loss(leaf.clone()).sum().backward();
    let gradient = values(leaf.grad(&gradients).expect("x has a gradient"));
    let host = values(x);
    let expected = |index: usize| {
        let shifted = |by: f32| {
            let mut host = host.clone();
            host[index] += by;
            let loss = loss(Tensor::<1>::from_floats(host.as_slice(), device).reshape(shape));
            values(loss).into_iter().map(f64::from).sum::<f64>()
        };
        let slope = |step: f32| (shifted(step) - shifted(-step)) / (2.0 * f64::from(step));
        (4.0 * slope(STEP) - slope(2.0 * STEP)) / 3.0
    };
    let expected: Vec<f64> = (0..host.len()).map(expected).collect();
    let largest = expected.iter().fold(0f64, |largest, value| largest.max(value.abs()));
    for (index, (found, expected)) in gradient.into_iter().zip(expected).enumerate() {
        let tolerance = (5e-4 * expected.abs() + 2e-4 * largest).min(2e-3);
        let off = (f64::from(found) - expected).abs();
        assert!(off <= tolerance, "[{index}]: {found} is not {expected}, off by {off:e} of {largest}");
    }
}

/// Turns `fn name(device: Device) { .. }` into the tests `name::cpu` and `name::wgpu`.
#[macro_export]
macro_rules! each_device {
    ($(#[$meta:meta])* fn $name:ident($device:ident) $body:block) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn body($device: ::burn::tensor::Device) $body

            #[test]
            fn cpu() {
                body(::burn::tensor::Device::flex());
            }

            #[test]
            fn wgpu() {
                if let Some(device) = $crate::testing::wgpu_device() {
                    body(device);
                }
            }
        }
    };
}

/// [`each_device!`](crate::each_device), and on a GPU with the products of a browser too.
#[cfg(test)]
macro_rules! each_product {
    ($(#[$meta:meta])* fn $name:ident($device:ident) $body:block) => {
        $crate::each_device! {
            $(#[$meta])*
            fn $name(device) {
                fn work($device: ::burn::tensor::Device) $body

                work(device.clone());
                #[cfg(feature = "gpu")]
                if device != ::burn::tensor::Device::flex() {
                    $crate::testing::with_products(|| work(device));
                }
            }
        }
    };
}
#[cfg(test)]
pub(crate) use each_product;
