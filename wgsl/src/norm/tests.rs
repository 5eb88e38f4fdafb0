use burn::tensor::{Distribution, Tensor};

use super::normalize;
use crate::{each_device, testing::gradient_by_differences};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

each_device! {
    /// Against f64 on the host; an all-zero row stays zero.
    fn equals_its_definition(device) {
        for columns in [1, 7, 257] {
            for centred in [false, true] {
                let x = Tensor::<2>::random([3, columns], Distribution::Uniform(-3.0, 4.0), &device);
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
