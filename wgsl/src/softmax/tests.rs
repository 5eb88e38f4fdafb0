use burn::tensor::{Device, Tensor};

use super::softmax;
use crate::{
    each_device,
    testing::{gradient_by_differences, uniform},
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

each_device! {
    /// Against f64 on the host; a masked score has no weight, a large one does not overflow.
    fn equals_its_definition(device) {
        for columns in [1, 7, 257] {
            let x = uniform([3, columns], -60.0..60.0, 1, &device);
            let found = values(softmax(x.clone()));
            for (x, found) in values(x).chunks(columns).zip(found.chunks(columns)) {
                let max = x.iter().copied().fold(f32::MIN, f32::max);
                let exponentials: Vec<f64> = x.iter().map(|x| f64::from(x - max).exp()).collect();
                let sum: f64 = exponentials.iter().sum();
                for (found, exponential) in found.iter().zip(exponentials) {
                    let expected = exponential / sum;
                    assert!((f64::from(*found) - expected).abs() < 2e-6, "{found} is not {expected}");
                }
            }
        }
        let masked = values(softmax(Tensor::<1>::from_floats([0.0, -1e30, 0.0], &device)));
        assert_eq!(masked, [0.5, 0.0, 0.5]);
    }
}

each_device! {
    /// The same bits on a tape and off it: recomputation depends on it.
    fn a_tape_changes_no_bit(device) {
        let x = uniform([2, 5, 37], -4.0..4.0, 2, &device);
        let taped = softmax(x.clone().autodiff().require_grad());
        assert_eq!(values(taped.inner()), values(softmax(x)));
    }
}

each_device! {
    fn gradient_by_finite_differences(device) {
        gradient_by_differences([3, 7], &device, softmax);
        gradient_by_differences([2, 1], &device, softmax);
        gradient_by_differences([2, 37], &device, softmax);
    }
}

/// A row that is not finite is as in Burn's own softmax, and no other row's affair; nothing is nothing.
#[test]
fn what_is_not_finite_stays_in_its_row() {
    let device = Device::flex();
    let (big, nan) = (f32::INFINITY, f32::NAN);
    let rows = [[1.0, nan, 2.0], [1.0, big, 2.0], [1.0, -big, 2.0], [-big, -big, -big], [1.0, 2.0, 3.0]];
    let x = Tensor::<2>::from_floats(rows, &device);
    let expected = values(burn::tensor::activation::softmax(x.clone(), 1));
    for (found, expected) in values(softmax(x)).into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6 || found.is_nan() && expected.is_nan(), "{found} is not {expected}");
    }
    assert_eq!(softmax(Tensor::<2>::zeros([3, 0], &device)).dims(), [3, 0]);
    assert_eq!(softmax(Tensor::<2>::zeros([0, 3], &device)).dims(), [0, 3]);
}
