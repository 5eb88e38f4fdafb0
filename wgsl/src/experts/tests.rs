use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{Routing, carrying, grouped, route};
use crate::{
    cpu::same_in_all_pools,
    each_device,
    testing::{gradient_by_differences, uniform},
    vjp, without_kernels,
};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

fn integers<const D: usize>(x: Tensor<D, Int>) -> Vec<usize> {
    x.into_data().iter::<i64>().map(|value| value as usize).collect()
}

/// The experts of one row by a stable sort.
fn best(scores: &[f32], bias: &[f32], k: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| (scores[*b] + bias[*b]).total_cmp(&(scores[*a] + bias[*a])));
    order[..k].to_vec()
}

fn check(scores: &Tensor<2>, bias: &Tensor<1>, k: usize) {
    let [n, experts] = scores.dims();
    let Routing { experts: chosen, rows, places, starts } = route(scores.clone(), bias.clone(), k);
    assert_eq!((chosen.dims(), rows.dims(), places.dims(), starts.dims()), ([n, k], [n * k], [n, k], [experts + 1]));
    let (host, bias) = (values(scores.clone()), values(bias.clone()));
    let expected: Vec<usize> = host.chunks_exact(experts).flat_map(|row| best(row, &bias, k)).collect();
    let chosen = integers(chosen);
    assert_eq!(chosen, expected);
    let (rows, places, starts) = (integers(rows), integers(places), integers(starts));
    // Slots in the order of their experts, and then their own.
    let mut slots: Vec<usize> = (0..n * k).collect();
    slots.sort_by_key(|slot| chosen[*slot]);
    assert_eq!(rows, slots.iter().map(|slot| slot / k).collect::<Vec<_>>());
    slots.iter().enumerate().for_each(|(place, slot)| assert_eq!(places[*slot], place));
    for (expert, start) in starts.into_iter().enumerate() {
        assert_eq!(start, chosen.iter().filter(|own| **own < expert).count());
    }
}

each_device! {
    /// Against a stable sort on the host, with kernels and without.
    fn rows_go_to_their_best_experts(device) {
        for (n, experts, k) in [(1, 1, 1), (5, 3, 3), (67, 8, 2), (300, 5, 1), (129, 64, 6)] {
            let scores = uniform([n, experts], 0.0..1.0, 1, &device);
            for bias in [Tensor::zeros([experts], &device), uniform([experts], -0.5..0.5, 2, &device)] {
                check(&scores, &bias, k);
                without_kernels(|| check(&scores, &bias, k));
            }
        }
        // Of equal scores the first; an expert that nobody wants.
        let scores = Tensor::from_floats([[0.5, 0.5, 0.1, 0.5], [0.2, 0.7, 0.1, 0.7]], &device);
        check(&scores, &Tensor::zeros([4], &device), 2);
    }
}

fn starts_of(lengths: &[usize], device: &Device) -> Tensor<1, Int> {
    let starts = lengths.iter().scan(0, |sum, length| {
        *sum += *length as i32;
        Some(*sum)
    });
    let starts: Vec<i32> = [0].into_iter().chain(starts).collect();
    let ends = starts.len();
    Tensor::from_data(TensorData::new(starts, [ends]), device)
}

const LENGTHS: [&[usize]; 4] = [&[7], &[3, 0, 5], &[0, 40, 1, 33], &[0, 0, 4]];

/// The product and both gradients, against f64 on the host; and the product without a tape.
fn products_of_each_rows_expert(device: &Device) {
    for lengths in LENGTHS {
        for [c, f] in [[1, 1], [5, 7], [36, 40], [64, 33]] {
            let (m, experts) = (lengths.iter().sum::<usize>(), lengths.len());
            let x = uniform([m, c], -1.0..1.0, 1, device).autodiff().require_grad();
            let weight = uniform([experts, c, f], -1.0..1.0, 2, device).autodiff().require_grad();
            let dy = uniform([m, f], -1.0..1.0, 3, device);
            let plain = grouped(x.clone().inner(), weight.clone().inner(), starts_of(lengths, device));
            let y = grouped(x.clone(), weight.clone(), starts_of(lengths, device));
            let mut gradients = vjp(y.clone(), dy.clone());
            let [dx, dw] =
                [values(x.grad_remove(&mut gradients).unwrap()), values(weight.grad_remove(&mut gradients).unwrap())];
            assert_eq!(values(plain), values(y.clone().inner()));
            let [hx, hw, hy, hdy] = [values(x.inner()), values(weight.inner()), values(y.inner()), values(dy)];
            let expert_of: Vec<usize> = lengths.iter().enumerate().flat_map(|(e, length)| vec![e; *length]).collect();
            let (mut y, mut ex, mut ew) = (vec![0f64; m * f], vec![0f64; m * c], vec![0f64; experts * c * f]);
            for (row, expert) in expert_of.iter().enumerate() {
                for i in 0..c {
                    for j in 0..f {
                        let at = (expert * c + i) * f + j;
                        let [x, w, d] = [hx[row * c + i], hw[at], hdy[row * f + j]].map(f64::from);
                        y[row * f + j] += x * w;
                        ex[row * c + i] += d * w;
                        ew[at] += x * d;
                    }
                }
            }
            for (found, expected) in [(hy, y), (dx, ex), (dw, ew)] {
                for (found, expected) in found.iter().zip(expected) {
                    assert!(
                        (f64::from(*found) - expected).abs() < 2e-5,
                        "{lengths:?} {c} {f}: {found} is not {expected}"
                    );
                }
            }
        }
    }
}

each_device! {
    /// With kernels and without.
    fn products_are_those_of_each_rows_expert(device) {
        products_of_each_rows_expert(&device);
        without_kernels(|| products_of_each_rows_expert(&device));
    }
}

each_device! {
    fn gradients_by_finite_differences(device) {
        let starts = starts_of(&[2, 0, 5], &device);
        let square = uniform([3, 5, 5], -1.0..1.0, 1, &device);
        gradient_by_differences([7, 5], &device, |x| grouped(x, square.clone(), starts.clone()));
        let x = uniform([18, 6], -1.0..1.0, 2, &device);
        let starts = starts_of(&[10, 0, 8], &device);
        gradient_by_differences([18, 6], &device, |w| grouped(x.clone(), w.reshape([3, 6, 6]), starts.clone()));
    }
}

each_device! {
    fn a_gradient_is_carried_beside_the_way(device) {
        let [x, other] = [1, 2].map(|seed| uniform::<2>([3, 4], -1.0..1.0, seed, &device).autodiff().require_grad());
        let [dy, gradient] = [3, 4].map(|seed| uniform::<2>([3, 4], -1.0..1.0, seed, &device));
        // The other tensor has a gradient of its own too.
        let y = carrying(x.clone() * other.clone(), other.clone(), gradient.clone());
        assert_eq!(values(y.clone().inner()), values((x.clone() * other.clone()).inner()));
        let mut gradients = vjp(y, dy.clone());
        let of_other = other.grad_remove(&mut gradients).unwrap();
        assert_eq!(values(of_other), values(dy.clone() * x.inner() + gradient));
    }
}

/// All bits are the same, whatever the number of threads.
#[test]
fn threads_change_no_bit() {
    let device = Device::flex();
    let lengths = [0, 300, 1, 99];
    same_in_all_pools(|| {
        let x = uniform([400, 96], -1.0..1.0, 1, &device).autodiff().require_grad();
        let weight = uniform([4, 96, 80], -1.0..1.0, 2, &device).autodiff().require_grad();
        let y = grouped(x.clone(), weight.clone(), starts_of(&lengths, &device));
        let mut gradients = vjp(y.clone(), uniform([400, 80], -1.0..1.0, 3, &device));
        let gradients =
            [values(x.grad_remove(&mut gradients).unwrap()), values(weight.grad_remove(&mut gradients).unwrap())];
        [values(y.inner())].into_iter().chain(gradients).flatten().collect()
    });
}
