use burn::tensor::{Device, Tensor};

use super::{
    gelu,
    kernel::GateKernel,
    reference::{CUBIC, LINEAR},
    relu_squared, swiglu,
};
use crate::{
    cpu::{ODD, same_in_all_pools, same_without_kernels},
    each_device,
    testing::{gradient_by_differences, uniform},
    vjp,
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

each_device! {
    /// Against f64 on the host, far into both tails.
    fn equal_their_definitions(device) {
        let x = uniform([3, 257], -12.0..12.0, 1, &device);
        let up = uniform([3, 257], -2.0..2.0, 2, &device);
        let close = |found: f32, expected: f64| {
            assert!((f64::from(found) - expected).abs() < 4e-6 * expected.abs().max(1.0), "{found} is not {expected}");
        };
        let host: Vec<f64> = values(x.clone()).into_iter().map(f64::from).collect();
        for (found, x) in values(gelu(x.clone())).into_iter().zip(&host) {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            close(found, 0.5 * x * (1.0 + u.tanh()));
        }
        for (found, x) in values(relu_squared(x.clone())).into_iter().zip(&host) {
            close(found, x.max(0.0).powi(2));
        }
        for ((found, x), up) in values(swiglu(x, up.clone())).into_iter().zip(&host).zip(values(up)) {
            close(found, x / (1.0 + (-x).exp()) * f64::from(up));
        }
    }
}

each_device! {
    fn gradients_by_finite_differences(device) {
        let other = uniform([3, 7], -1.5..1.5, 3, &device);
        gradient_by_differences([3, 7], &device, gelu);
        gradient_by_differences([3, 7], &device, relu_squared);
        gradient_by_differences([3, 7], &device, |x| swiglu(x, other.clone()));
        gradient_by_differences([3, 7], &device, |x| swiglu(other.clone(), x));
        gradient_by_differences([3, 7], &device, |x| swiglu(x.clone(), x));
    }
}

/// All gates of every pair of values, and their gradients.
fn gates(device: &Device, x: &[f32], up: &[f32]) -> Vec<f32> {
    let [x, up] = [x, up].map(|x| Tensor::<1>::from_floats(x, device).autodiff().require_grad());
    let (y, z, w) = (gelu(x.clone()), swiglu(x.clone(), up.clone()), relu_squared(x.clone()));
    let dy = Tensor::full(y.dims(), 0.75, device);
    let [mut of_gelu, mut of_swiglu, mut of_relu] = [&y, &z, &w].map(|it| vjp(it.clone(), dy.clone()));
    let of_up = up.grad_remove(&mut of_swiglu);
    let gradients = [x.grad_remove(&mut of_gelu), x.grad_remove(&mut of_swiglu), of_up, x.grad_remove(&mut of_relu)];
    [y.inner(), z.inner(), w.inner()].into_iter().chain(gradients.map(Option::unwrap)).flat_map(values).collect()
}

/// On the CPU: every pair of them, in a length that is no multiple of a vector's.
#[test]
fn odd_values_are_treated_as_by_the_reference() {
    let pairs = ODD.iter().flat_map(|x| ODD.iter().map(move |up| (*x, *up)));
    let (x, up): (Vec<f32>, Vec<f32>) = pairs.chain([(1.0, 2.0)]).unzip();
    same_without_kernels(|| gates(&Device::flex(), &x, &up));
    same_without_kernels(|| gates(&Device::flex(), &x[..1], &up[..1]));
}

#[test]
fn threads_change_no_bit() {
    let device = Device::flex();
    let [x, up] = [1, 2].map(|seed| values(uniform::<1>([50_001], -4.0..4.0, seed, &device)));
    same_in_all_pools(|| gates(&device, &x, &up));
}

#[test]
fn shaders_share_the_constants() {
    for kernel in [GateKernel::Gelu, GateKernel::GeluBackward] {
        let text = kernel.shader().text();
        assert!(text.contains(&format!("LINEAR: f32 = {LINEAR};")) && text.contains(&format!("CUBIC: f32 = {CUBIC};")));
    }
}
