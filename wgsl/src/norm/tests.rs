use burn::tensor::{Device, Tensor, TensorData};

use super::{NormOptions, norm, normalize, run};
use crate::{
    cpu::{ODD, same_in_all_pools, same_without_kernels},
    each_device,
    testing::{gradient_by_differences, uniform, wgpu_device},
    vjp,
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

each_device! {
    /// Against f64 on the host; an all-zero row stays zero.
    fn equals_its_definition(device) {
        for columns in [1, 7, 257] {
            for centred in [false, true] {
                let x = uniform([3, columns], -3.0..4.0, 1, &device);
                let x = Tensor::cat(vec![x, Tensor::zeros([1, columns], &device)], 0);
                let found = values(normalize(x.clone(), centred, 1e-5));
                for (x, found) in values(x).chunks(columns).zip(found.chunks(columns)) {
                    let mean = if centred { x.iter().map(|x| f64::from(*x)).sum::<f64>() / columns as f64 } else { 0.0 };
                    let x: Vec<f64> = x.iter().map(|x| f64::from(*x) - mean).collect();
                    let square = x.iter().map(|x| x * x).sum::<f64>() / columns as f64;
                    for (found, x) in found.iter().zip(x) {
                        let expected = x / (square + 1e-5).sqrt();
                        assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} is not {expected}");
                    }
                }
            }
        }
    }
}

each_device! {
    fn gradient_by_finite_differences(device) {
        for centred in [false, true] {
            gradient_by_differences([3, 7], &device, |x| normalize(x, centred, 1e-5));
        }
        gradient_by_differences([2, 1], &device, |x| normalize(x, false, 1e-2));
    }
}

/// The kernels against the plain operations: result, and the gradients of input, scale and shift.
fn scales_and_shifts(device: &Device, subgroups: bool) {
    for (rows, width) in [(1, 1), (3, 7), (130, 257), (5, 1030)] {
        for (centred, shifted) in [(false, false), (true, true), (true, false)] {
            let options = NormOptions { centred, eps: 1e-5 };
            let x = uniform([rows, width], -3.0..4.0, 1, device);
            let [gamma, beta] = [2, 3].map(|seed| uniform::<1>([width], 0.0..1.0, seed, device));
            let weight = uniform([rows, width], 0.0..1.0, 4, device);
            let result = |plain: bool| {
                let x = x.clone().autodiff().require_grad();
                let [gamma, beta] = [&gamma, &beta].map(|it| it.clone().autodiff().require_grad());
                let shift = shifted.then(|| beta.clone());
                let y = match plain {
                    false => run(x.clone(), gamma.clone(), shift, options, subgroups),
                    true => {
                        let y = normalize(x.clone(), centred, 1e-5) * gamma.clone().unsqueeze();
                        shift.map_or(y.clone(), |shift| y + shift.unsqueeze())
                    }
                };
                let gradients = (y.clone() * Tensor::from_inner(weight.clone())).sum().backward();
                let of_beta = shifted.then(|| values(beta.grad(&gradients).unwrap()));
                let parameters = [values(gamma.grad(&gradients).unwrap()), of_beta.unwrap_or_default()];
                [values(y.inner()), values(x.grad(&gradients).unwrap())].into_iter().chain(parameters)
            };
            for (found, expected) in result(false).zip(result(true)) {
                let largest = expected.iter().fold(1f32, |largest, value| largest.max(value.abs()));
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() <= 1e-5 * largest, "{rows} {width}: {found} is not {expected}");
                }
            }
        }
    }
}

each_device! {
    fn scale_and_shift(device) {
        scales_and_shifts(&device, false);
    }
}

/// Also where CubeCL does not count on them, as with lavapipe.
#[test]
fn scale_and_shift_by_subgroups() {
    if let Some(device) = wgpu_device() {
        scales_and_shifts(&device, true);
    }
}

each_device! {
    fn gradient_of_the_whole_by_finite_differences(device) {
        let [gamma, beta] = [3, 4].map(|seed| uniform::<1>([7], 0.0..1.0, seed, &device));
        for centred in [false, true] {
            let options = NormOptions { centred, eps: 1e-5 };
            gradient_by_differences([3, 7], &device, |x| norm(x, gamma.clone(), Some(beta.clone()), options));
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let device = Device::flex();
    let x = uniform([200, 257], -3.0..4.0, 1, &device);
    let [gamma, beta] = [2, 3].map(|seed| uniform::<1>([257], 0.0..1.0, seed, &device));
    same_in_all_pools(|| {
        let [x, gamma] = [x.clone(), gamma.clone().unsqueeze()].map(|it| it.autodiff().require_grad());
        let options = NormOptions { centred: true, eps: 1e-5 };
        let y = norm(x.clone(), gamma.clone().squeeze_dim(0), Some(beta.clone()), options);
        let mut gradients = (y.clone() * y.clone()).sum().backward();
        let found = [y.inner(), x.grad_remove(&mut gradients).unwrap(), gamma.grad_remove(&mut gradients).unwrap()];
        found.into_iter().flat_map(values).collect()
    });
}

/// On the CPU, one to a row of ordinary numbers, and rows of one alone.
#[test]
fn odd_values_are_treated_as_by_the_reference() {
    let device = Device::flex();
    for (width, alone) in [(19, false), (19, true), (1, true)] {
        let value = |at: usize| if alone || at % width == 7 { ODD[at / width] } else { (at % 5) as f32 - 2.0 };
        let x = TensorData::new((0..ODD.len() * width).map(value).collect::<Vec<f32>>(), [ODD.len(), width]);
        let gamma = uniform::<1>([width], 0.5..1.0, 1, &device);
        let dy = uniform([ODD.len(), width], 0.5..1.0, 2, &device);
        for (centred, beta) in [(true, Some(gamma.clone())), (false, None)] {
            same_without_kernels(|| {
                let x = Tensor::<2>::from_data(x.clone(), &device).autodiff().require_grad();
                let parameter = gamma.clone().autodiff().require_grad();
                let y = norm(x.clone(), parameter.clone(), beta.clone(), NormOptions { centred, eps: 0.1 });
                let mut gradients = vjp(y.clone(), dy.clone());
                let of_parameter = values(parameter.grad_remove(&mut gradients).unwrap());
                [values(y.inner()), values(x.grad_remove(&mut gradients).unwrap()), of_parameter].concat()
            });
        }
    }
}
