use burn::tensor::{Device, Tensor, TensorData};

use super::rotate;
use crate::{each_device, testing::gradient_by_differences};

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
