use burn::tensor::Tensor;

use super::{
    gelu,
    kernel::GateKernel,
    reference::{CUBIC, LINEAR},
    swiglu,
};
use crate::{
    each_device,
    testing::{gradient_by_differences, uniform},
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
        for ((found, x), up) in values(swiglu(x, up.clone())).into_iter().zip(&host).zip(values(up)) {
            close(found, x / (1.0 + (-x).exp()) * f64::from(up));
        }
    }
}

each_device! {
    fn gradients_by_finite_differences(device) {
        let other = uniform([3, 7], -1.5..1.5, 3, &device);
        gradient_by_differences([3, 7], &device, gelu);
        gradient_by_differences([3, 7], &device, |x| swiglu(x, other.clone()));
        gradient_by_differences([3, 7], &device, |x| swiglu(other.clone(), x));
        gradient_by_differences([3, 7], &device, |x| swiglu(x.clone(), x));
    }
}

#[test]
fn shaders_share_the_constants() {
    for kernel in [GateKernel::Gelu, GateKernel::GeluBackward] {
        let text = kernel.shader().text();
        assert!(text.contains(&format!("LINEAR: f32 = {LINEAR};")) && text.contains(&format!("CUBIC: f32 = {CUBIC};")));
    }
}
