use burn::tensor::{Device, Tensor};

use super::{add_squares, squares_from};
use crate::{
    cpu::{ODD, same_in_all_pools, same_without_kernels},
    each_device,
};

fn values(count: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 7919) % 1021) as f32 / 300.0 - 1.7).collect()
}

fn sum(partial: Tensor<1>) -> f64 {
    partial.into_data().iter::<f32>().map(f64::from).sum()
}

fn device_sums(device: &Device, counts: &[usize]) -> Tensor<1> {
    let tensors = counts.iter().map(|count| Tensor::<1>::from_floats(values(*count).as_slice(), device));
    tensors.fold(None, |before, x| Some(add_squares(before, x))).expect("there are tensors")
}

each_device! {
    /// Against sums in f64, for sizes below, at and above the kernel's stride.
    fn all_squares_are_added(device) {
        for counts in [&[1][..], &[7, 255], &[65_536], &[65_537, 3, 200_003]] {
            let expected: f64 = counts.iter().flat_map(|count| values(*count)).map(|x| f64::from(x).powi(2)).sum();
            let found = sum(device_sums(&device, counts));
            assert!((found - expected).abs() <= 1e-6 * expected, "{counts:?}: {found} is not {expected}");
        }
    }
}

each_device! {
    fn bits_depend_on_neither_the_shape_nor_the_run(device) {
        let flat = Tensor::<1>::from_floats(values(60_000).as_slice(), &device);
        let once = add_squares(None, flat.clone()).into_data();
        once.assert_eq(&add_squares(None, flat.reshape([300, 200])).into_data(), true);
    }
}

each_device! {
    fn what_is_no_number_shows(device) {
        for bad in [f32::NAN, f32::INFINITY] {
            let x = Tensor::<1>::from_floats([1.0, bad, 2.0], &device);
            assert!(!sum(add_squares(None, x)).is_finite());
        }
    }
}

each_device! {
    /// As a model whose parameters are on several devices needs them.
    fn sums_go_on_elsewhere(device) {
        let expected: f64 = [values(1000), values(77)].iter().flatten().map(|x| f64::from(*x).powi(2)).sum();
        for first in [Device::flex(), device.clone()] {
            let sums: Vec<f32> = device_sums(&first, &[1000]).into_data().iter().collect();
            let x = Tensor::<1>::from_floats(values(77).as_slice(), &device);
            let found = sum(add_squares(Some(squares_from(&sums, &device)), x));
            assert!((found - expected).abs() <= 1e-6 * expected, "{found} is not {expected}");
        }
    }
}

#[test]
fn odd_values_are_treated_as_by_the_reference() {
    for values in ODD.iter().map(std::slice::from_ref).chain([&ODD[3..], &ODD[5..]]) {
        same_without_kernels(|| vec![sum(add_squares(None, Tensor::<1>::from_floats(values, &Device::flex()))) as f32]);
    }
}

#[test]
fn threads_change_no_bit() {
    let device = Device::flex();
    same_in_all_pools(|| device_sums(&device, &[100_000, 3, 77_777]).into_data().iter().collect());
}
