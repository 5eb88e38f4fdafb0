use burn::tensor::{Device, Tensor, TensorData};

use super::{reference, rotate};
use crate::{
    cpu::same_in_all_pools,
    each_device,
    testing::{gradient_by_differences, uniform},
    vjp,
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

fn table(rows: usize, t: usize, half: usize, of: fn(f64) -> f64, device: &Device) -> Tensor<3> {
    let angle = |at: usize| (at / half) as f64 / (1.0 + (at % half) as f64);
    let values: Vec<f32> = (0..rows * t * half).map(|at| of(angle(at)) as f32).collect();
    Tensor::from_data(TensorData::new(values, [rows, t, half]), device)
}

each_device! {
    /// Against the host, both layouts, with shared positions and with each sequence's own; fewer keys than queries.
    fn equals_its_definition(device) {
        for (b, t, [h, k], d, rows) in [(2, 7, [3, 1], 8, 1), (2, 5, [4, 2], 2, 2), (1, 257, [2, 2], 80, 1)] {
            for interleaved in [false, true] {
                let wave = |count: usize, step: usize| -> Vec<f32> {
                    (0..count).map(|at| (at * step % 1009) as f32 / 1009.0).collect()
                };
                let given = [(wave(b * t * h * d, 7919), h), (wave(b * t * k * d, 6899), k)];
                let [q, k] = given.clone().map(|(x, h)| Tensor::from_data(TensorData::new(x, [b, t, h, d]), &device));
                let (cosines, sines) = (table(rows, t, d / 2, f64::cos, &device), table(rows, t, d / 2, f64::sin, &device));
                let (q, k) = rotate(q, k, cosines.clone(), sines.clone(), interleaved);
                let (cosines, sines) = (values(cosines), values(sines));
                for ((x, h), found) in given.into_iter().zip([values(q), values(k)]) {
                    for at in 0..b * t * h * d / 2 {
                        let (head, channel) = (at / (d / 2), at % (d / 2));
                        let (first, second) = match interleaved {
                            true => (head * d + 2 * channel, head * d + 2 * channel + 1),
                            false => (head * d + channel, head * d + channel + d / 2),
                        };
                        let angle = (head / h % (rows * t)) * (d / 2) + channel;
                        let [c, s, p, q] = [cosines[angle], sines[angle], x[first], x[second]].map(f64::from);
                        assert!((f64::from(found[first]) - (p * c - q * s)).abs() < 1e-6, "{interleaved} {at}");
                        assert!((f64::from(found[second]) - (q * c + p * s)).abs() < 1e-6, "{interleaved} {at}");
                    }
                }
            }
        }
    }
}

each_device! {
    /// Of queries and keys in one graph.
    fn gradient_by_finite_differences(device) {
        let (cosines, sines) = (table(1, 3, 4, f64::cos, &device), table(1, 3, 4, f64::sin, &device));
        for interleaved in [false, true] {
            gradient_by_differences([3, 8], &device, |x| {
                let x = x.reshape([1, 3, 1, 8]);
                let (q, k) = rotate(x.clone(), x.powi_scalar(2), cosines.clone(), sines.clone(), interleaved);
                (q + k).reshape([3, 8])
            });
        }
    }
}

each_device! {
    /// Parts of one product, and heads and positions swapped.
    fn views_are_read_by_their_strides(device) {
        let (b, t, d) = (2, 5, 6);
        let (cosines, sines) = (table(b, t, d / 2, f64::cos, &device), table(b, t, d / 2, f64::sin, &device));
        let product = uniform([b, t, 8 * d], -1.0..1.0, 1, &device);
        let q = product.clone().narrow(2, 0, 4 * d).reshape([b, t, 4, d]);
        let part = product.reshape([b, t, 8, d]).narrow(2, 3, 4);
        let swapped = uniform([b, 3, t, d], -1.0..1.0, 2, &device).swap_dims(1, 2);
        let transposed = uniform([b, t, d, 3], -1.0..1.0, 3, &device).swap_dims(2, 3);
        for interleaved in [false, true] {
            for (q, k) in [(q.clone(), part.clone()), (part.clone(), swapped.clone()), (swapped.clone(), transposed.clone())] {
                let found = rotate(q.clone(), k.clone(), cosines.clone(), sines.clone(), interleaved);
                for (found, x) in [(found.0, q), (found.1, k)] {
                    let expected = reference(x, cosines.clone(), sines.clone(), interleaved);
                    for (found, expected) in values(found).into_iter().zip(values(expected)) {
                        assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
                    }
                }
            }
        }
    }
}

/// On the CPU: NaN, infinities and denormals; no positions, no sequences, no heads, no channels.
#[test]
fn odd_values_and_shapes_are_treated_as_by_the_reference() {
    let device = Device::flex();
    let odd = [f32::NAN, 1.0, f32::INFINITY, f32::NEG_INFINITY, 1e-41, f32::MAX, -0.0];
    for [b, t, h, d] in [[1, 1, 1, 2], [2, 3, 2, 10], [1, 0, 2, 4], [0, 3, 2, 4], [2, 3, 0, 4], [2, 3, 2, 0]] {
        let x: Vec<f32> = (0..b * t * h * d).map(|at| odd[at % 7]).collect();
        let x = Tensor::<4>::from_data(TensorData::new(x, [b, t, h, d]), &device);
        let [cosines, sines] = [f64::cos, f64::sin].map(|of| match t * d {
            0 => Tensor::empty([1, t, d / 2], &device),
            _ => table(1, t, d / 2, of, &device),
        });
        for interleaved in [false, true] {
            let leaf = x.clone().autodiff().require_grad();
            let (y, _) = rotate(leaf.clone(), leaf.clone(), cosines.clone(), sines.clone(), interleaved);
            let expected = match x.shape().num_elements() {
                0 => Vec::new(),
                _ => values(reference(x.clone(), cosines.clone(), sines.clone(), interleaved)),
            };
            for (found, expected) in values(y.clone().inner()).into_iter().zip(expected) {
                let close = (found - expected).abs() < 1e-6;
                assert!(close || found == expected || found.is_nan() && expected.is_nan(), "{found} is not {expected}");
            }
            assert_eq!(y.dims(), [b, t, h, d]);
            let mut gradients = vjp(y, x.clone());
            assert_eq!(leaf.grad_remove(&mut gradients).unwrap().dims(), [b, t, h, d]);
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for interleaved in [false, true] {
        same_in_all_pools(|| {
            let device = Device::flex();
            let (cosines, sines) = (table(1, 101, 20, f64::cos, &device), table(1, 101, 20, f64::sin, &device));
            let [q, k] = [9, 3].map(|heads| uniform([3, 101, heads, 40], -1.0..1.0, 1, &device));
            let (q, k) = rotate(q, k, cosines, sines, interleaved);
            values(q).into_iter().chain(values(k)).collect()
        });
    }
}
