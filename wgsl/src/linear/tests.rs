use burn::tensor::{Device, Tensor};

use super::{accumulate, add_product, linear, linears};
use crate::{
    cpu::{ODD, same_in_all_pools},
    testing::{each_product, gradient_by_differences, uniform},
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

/// `a b` in f64, rows one after the other.
fn expected(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let element = |at: usize| (0..k).map(|i| f64::from(a[at / n * k + i]) * f64::from(b[i * n + at % n])).sum();
    (0..m * n).map(element).collect()
}

fn assert_near(found: Vec<f32>, expected: Vec<f64>) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-5 * expected.abs().max(1.0), "{found} is not {expected}");
    }
}

each_product! {
    fn equals_its_definition(device) {
        for [m, k, n] in [[1, 1, 1], [3, 7, 5], [65, 33, 129], [1, 128, 64], [66, 36, 40], [1031, 3, 515], [1030, 8, 516]] {
            let x = uniform([m, k], -1.0..1.0, 1, &device);
            let weight = uniform([k, n], -1.0..1.0, 2, &device);
            let bias = uniform([n], -1.0..1.0, 3, &device);
            let product = expected(&values(x.clone()), &values(weight.clone()), [m, k, n]);
            assert_near(values(linear(x.clone(), weight.clone(), None)), product.clone());
            let row = values(bias.clone());
            let shifted = product.iter().enumerate().map(|(at, value)| value + f64::from(row[at % n])).collect();
            assert_near(values(linear::<3>(x.reshape([1, m, k]), weight, Some(bias))), shifted);
        }
    }
}

each_product! {
    /// As a model does it: transposed views, and a sum over several products.
    fn sums_go_on(device) {
        for [m, k, n] in [[17, 40, 9], [36, 40, 68], [36, 39, 68]] {
            let a = uniform([k, m], -1.0..1.0, 1, &device);
            let b = uniform([n, k], -1.0..1.0, 2, &device);
            let [rows, columns] = [values(a.clone().transpose()), values(b.clone().transpose())];
            let once = expected(&rows, &columns, [m, k, n]);
            let sum = add_product(None, a.clone().transpose(), b.clone().transpose());
            assert_near(values(sum.clone()), once.clone());
            // What else is held stays as it is.
            let twice = add_product(Some(sum.clone()), a.transpose(), b.transpose());
            assert_near(values(twice), once.iter().map(|value| 2.0 * value).collect());
            assert_near(values(sum), once);
        }
    }
}

each_product! {
    fn gradients_go_on(device) {
        let a = uniform([70, 1003], -1.0..1.0, 1, &device);
        let b = uniform([1003, 70], -1.0..1.0, 2, &device).transpose();
        let sum = accumulate(a.clone(), b.clone());
        let expected: Vec<f32> = values(a.clone()).iter().zip(values(b)).map(|(a, b)| a + b).collect();
        assert_eq!(values(sum), expected);
        // What else is held stays as it is, and odd values are added as any others.
        assert_eq!(values(a), values(uniform([70, 1003], -1.0..1.0, 1, &device)));
        let odd = Tensor::<1>::from_floats(ODD, &device);
        let twice: Vec<u32> = values(accumulate(odd.clone(), odd)).iter().map(|value| value.to_bits()).collect();
        if device == Device::flex() {
            assert_eq!(twice, ODD.map(|value| (value + value).to_bits()));
        }
    }
}

each_product! {
    fn views_that_look_back_are_read_in_their_order(device) {
        let [m, k, n] = [5, 7, 3];
        let a = uniform([m, k], -1.0..1.0, 1, &device).flip([1]);
        let b = uniform([k, n], -1.0..1.0, 2, &device).flip([0, 1]);
        let product = expected(&values(a.clone()), &values(b.clone()), [m, k, n]);
        assert_near(values(linear(a.clone(), b.clone(), None)), product.clone());
        assert_near(values(add_product(None, a, b)), product);
    }
}

/// Sizes that are shared among threads in one way and in the other; each factor as it is and as a view.
#[test]
fn threads_change_no_bit() {
    let device = Device::flex();
    for [m, k, n] in [[300, 97, 150], [30, 5000, 20], [4100, 13, 401], [800, 30, 801]] {
        let [a, b] = [uniform([m, k], -0.3..0.3, 1, &device), uniform([k, n], -0.3..0.3, 2, &device)];
        let whole = expected(&values(a.clone()), &values(b.clone()), [m, k, n]);
        let viewed = |x: Tensor<2>| Tensor::<2>::from_data(x.transpose().into_data(), &device).transpose();
        for (a, b) in [(a.clone(), b.clone()), (a.clone(), viewed(b.clone())), (viewed(a.clone()), b.clone())] {
            assert_near(values(add_product(None, a.clone(), b.clone())), whole.clone());
            same_in_all_pools(|| values(add_product(None, a.clone(), b.clone())));
        }
    }
}

each_product! {
    fn gradients_by_finite_differences(device) {
        let weight = uniform([7, 7], -1.0..1.0, 3, &device);
        let bias = uniform([7], -1.0..1.0, 4, &device);
        let x = uniform([3, 3], -1.0..1.0, 5, &device);
        gradient_by_differences([3, 7], &device, |x| linear(x, weight.clone(), Some(bias.clone())));
        gradient_by_differences([3, 7], &device, |x| linear(x, weight.clone().transpose(), None));
        gradient_by_differences([3, 7], &device, |weight| linear(x.clone(), weight, None));
        let (x, weight) = (x.narrow(0, 0, 1), weight.narrow(0, 0, 3));
        gradient_by_differences([1, 7], &device, |bias| linear(x.clone(), weight.clone(), Some(bias.squeeze_dim(0))));
    }
}

each_product! {
    /// Of one input, some of which have no part in the result.
    fn several_have_the_gradients_of_each_alone(device) {
        let weights = [1, 2, 3].map(|seed| uniform([7, 7], -1.0..1.0, seed, &device));
        let bias = uniform::<1>([7], -1.0..1.0, 4, &device);
        let projections = || {
            let [a, b, c] = weights.clone();
            [(a, Some(bias.clone())), (b, None), (c, Some(bias.clone()))]
        };
        gradient_by_differences([3, 7], &device, |x| {
            let [a, b, c] = linears(x, projections());
            a * b + c
        });
        gradient_by_differences([3, 7], &device, |x| linears(x, projections())[1].clone());
        let x = uniform([3, 7], -1.0..1.0, 5, &device);
        gradient_by_differences([7, 7], &device, |weight| {
            let [first, second] = linears(x.clone(), [(weight.clone(), None), (weight, None)]);
            Tensor::cat(vec![first.clone() * second.clone(), first, second.narrow(0, 0, 1)], 0)
        });
        let together = linears(x.clone(), projections()).map(values);
        assert_eq!(together, projections().map(|(weight, bias)| values(linear(x.clone(), weight, bias))));
    }
}
