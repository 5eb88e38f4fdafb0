use burn::{
    backend::Flex,
    tensor::{Device, Tensor, TensorData},
};

use super::{Mask, dropout, reference};
use crate::{
    Key,
    cpu::same_in_all_pools,
    each_device,
    testing::{gradient_by_differences, uniform},
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

each_device! {
    /// The kernel and the reference agree to the bit, for an odd size, one element, and more than one workgroup.
    fn equals_the_mask(device) {
        for (shape, rate) in [([1, 1], 0.5), ([7, 37], 0.1), ([3, 1024], 0.9)] {
            let key = Key::new(11).fold_in(5);
            let [key_0, key_1] = key.words();
            let mask = Mask::new(key_0, key_1, rate).values(shape[0] * shape[1]);
            let x = uniform(shape, 0.0..1.0, 1, &device);
            let expected: Vec<f32> = values(x.clone()).iter().zip(&mask).map(|(x, mask)| x * mask).collect();
            assert_eq!(values(dropout(x, key, rate)), expected);
        }
    }
}

each_device! {
    /// The input may be a view with other strides: the mask follows the logical order.
    fn follows_logical_order(device) {
        let key = Key::new(3);
        let x = uniform([6, 10], 0.0..1.0, 2, &device);
        let expected = values(dropout(x.clone().transpose().mul_scalar(1.0), key, 0.3));
        assert_eq!(values(dropout(x.transpose(), key, 0.3)), expected);
    }
}

each_device! {
    /// The mean is kept, and the share of zeros is the rate, within four standard deviations.
    fn keeps_the_mean(device) {
        let count = 100_000;
        let y = values(dropout(Tensor::<1>::ones([count], &device), Key::new(1), 0.2));
        let zeros = y.iter().filter(|value| **value == 0.0).count() as f64 / count as f64;
        assert!((zeros - 0.2).abs() < 4.0 * (0.2f64 * 0.8 / count as f64).sqrt(), "{zeros} of the values are zero");
        assert!(y.iter().all(|value| *value == 0.0 || *value == 1.25));
    }
}

each_device! {
    fn gradient_by_finite_differences(device) {
        gradient_by_differences([3, 7], &device, |x| dropout(x, Key::new(9), 0.4));
    }
}

#[test]
fn rate_zero_is_the_identity_and_one_is_refused() {
    let x = Tensor::<1>::from_floats([1.0, 2.0], &Device::flex());
    assert_eq!(values(dropout(x.clone(), Key::new(0), 0.0)), [1.0, 2.0]);
    assert!(std::panic::catch_unwind(|| dropout(x, Key::new(0), 1.0)).is_err());
}

/// On the CPU, to the bit: what is dropped is multiplied by 0.
#[test]
fn odd_values_and_shapes_are_treated_as_by_the_reference() {
    use burn::backend::ops::FloatTensorOps;
    let odd = [f32::NAN, -1.0, f32::INFINITY, f32::NEG_INFINITY, 1e-41, f32::MAX, -0.0];
    for count in [0, 1, 2, 63, 65, 40_001] {
        let x = TensorData::new((0..count).map(|at| odd[at % 7]).collect::<Vec<f32>>(), [count]);
        let [key_0, key_1] = Key::new(5).words();
        let expected = reference::<Flex>(Flex::float_from_data(x.clone(), &Default::default()), key_0, key_1, 0.3);
        let found = dropout(Tensor::<1>::from_data(x, &Device::flex()), Key::new(5), 0.3);
        let bits = |value: f32| if value.is_nan() { f32::NAN } else { value }.to_bits();
        let expected: Vec<u32> = expected.into_data().iter().map(bits).collect();
        assert_eq!(values(found).into_iter().map(bits).collect::<Vec<_>>(), expected, "{count}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    same_in_all_pools(|| values(dropout(uniform([3, 33_333], 0.0..1.0, 1, &Device::flex()), Key::new(7), 0.4)));
}
