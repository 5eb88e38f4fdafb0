use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{add_embedding_gradient, embedding, reference};
use crate::{cpu::same_in_all_pools, each_device, vjp, without_kernels};

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

fn wave<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let value = |at: usize| (at * 7919 % 1009) as f32 / 1009.0 - 0.5;
    let count = shape.iter().product();
    Tensor::from_data(TensorData::new((0..count).map(value).collect::<Vec<f32>>(), shape), device)
}

each_device! {
    /// Against the host: ids that repeat across pieces and tiles of positions, ids of other tables, one id for all.
    fn rows_and_their_gradient(device) {
        let cases = [(1, 1, 1, 0, 1), (150, 7, 5, 0, 7), (200, 11, 70, 4, 19), (130, 3, 64, 2, 1), (600, 5, 2, 0, 5), (2200, 900, 3, 9, 921)];
        for (t, rows, width, first, spread) in cases {
            let ids: Vec<i32> = (0..2 * t).map(|at| (at * at * 31 + at / 3) as i32 % spread + first as i32 / 2).collect();
            let table = wave([rows, width], &device).autodiff().require_grad();
            let weight = wave([2, t, width], &device);
            let tensor = Tensor::<2, Int>::from_data(TensorData::new(ids.clone(), [2, t]), &device);
            let y = embedding(table.clone(), tensor, first);
            let gradients = (y.clone() * Tensor::from_inner(weight.clone())).sum().backward();
            let gradient = values(table.grad(&gradients).unwrap());

            let (host, weight) = (values(table.inner()), values(weight));
            let mut sums = vec![0f64; rows * width];
            let y = values(y.inner());
            for (at, id) in ids.iter().enumerate() {
                let row = (*id as usize).checked_sub(first).filter(|row| *row < rows);
                for column in 0..width {
                    assert_eq!(y[at * width + column], row.map_or(0.0, |row| host[row * width + column]));
                    if let Some(row) = row {
                        sums[row * width + column] += f64::from(weight[at * width + column]);
                    }
                }
            }
            for (found, expected) in gradient.iter().zip(&sums) {
                assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} is not {expected}");
            }
        }
    }
}

each_device! {
    /// By itself, and with a sum before it; what else is held stays as it is. With kernels and without.
    fn gradient_without_a_tape_has_the_bits_of_one_with(device) {
        let (t, rows, width, first) = (150, 7, 5, 2);
        let ids: Vec<i32> = (0..2 * t).map(|at| (at * at * 31 + at / 3) % 11).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [2, t as usize]), &device);
        let dy = wave([2, t as usize, width], &device);
        let compare = || {
            let table = wave([rows, width], &device).autodiff().require_grad();
            let mut gradients = vjp(embedding(table.clone(), ids.clone(), first), dy.clone());
            let gradient = table.grad_remove(&mut gradients).unwrap();
            let add = |sum| add_embedding_gradient(sum, ids.clone(), dy.clone(), first..first + rows);
            assert_eq!(values(add(None)), values(gradient.clone()));
            let before = wave([rows, width], &device);
            assert_eq!(values(add(Some(before.clone()))), values(before.clone() + gradient));
            assert_eq!(values(before), values(wave([rows, width], &device)));
        };
        compare();
        without_kernels(compare);
    }
}

each_device! {
    /// One id for all 8192 positions, as of padding: no sum is so long that its digits are lost, which one after the other
    /// they would be (by 6e-5), and two runs give the same bits.
    fn a_common_id_is_summed_in_pieces(device) {
        let run = || {
            let table = Tensor::<2>::ones([3, 5], &device).autodiff().require_grad();
            let ids = Tensor::<2, Int>::ones([8, 1024], &device);
            let mut gradients = vjp(embedding(table.clone(), ids, 0), Tensor::full([8, 1024, 5], 0.1, &device));
            values(table.grad_remove(&mut gradients).unwrap())
        };
        let (gradient, expected) = (run(), 8192.0 * f64::from(0.1f32));
        for (at, found) in gradient.iter().enumerate() {
            let expected = if at / 5 == 1 { expected } else { 0.0 };
            assert!((f64::from(*found) - expected).abs() <= 2e-6 * expected, "{found} is not {expected}");
        }
        assert_eq!(run(), gradient);
    }
}

/// Values and the table's gradient by the kernels and by the reference, as bits but for any NaN.
fn both(operation: impl Fn(Tensor<2>) -> Tensor<3>, table: &Tensor<2>, dy: &Tensor<3>) -> Vec<u32> {
    let leaf = table.clone().autodiff().require_grad();
    let y = operation(leaf.clone());
    let mut gradients = vjp(y.clone(), dy.clone());
    let all = values(y.inner()).into_iter().chain(values(leaf.grad_remove(&mut gradients).unwrap()));
    all.map(|value| if value.is_nan() { f32::NAN } else { value }.to_bits()).collect()
}

/// On the CPU; ids of other tables among them, whose rows and gradients are not this one's.
#[test]
fn odd_values_and_shapes_are_treated_as_by_the_reference() {
    let device = Device::flex();
    let odd = [f32::NAN, f32::INFINITY, 1e-41, -0.0, f32::MAX, 3.0];
    for (count, width) in [(4, 3), (1, 1)] {
        let table: Vec<f32> = (0..6 * width).map(|at| odd[at / 2 % 6]).collect();
        let dy: Vec<f32> = (0..count * width).map(|at| odd[at % 6]).collect();
        let table = Tensor::<2>::from_data(TensorData::new(table, [6, width]), &device);
        let dy = Tensor::<3>::from_data(TensorData::new(dy, [1, count, width]), &device);
        let ids = Tensor::<1, Int>::from_ints(&[2, 7, 0, 100][..count], &device).reshape([1, count]);
        let [found, expected] = [
            both(|table| embedding(table, ids.clone(), 2), &table, &dy),
            both(|table| reference(table, ids.clone(), 2), &table, &dy),
        ];
        assert_eq!(found, expected, "{count} x {width}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for (rows, width, count) in [(3000, 96, 700), (65, 128, 768)] {
        same_in_all_pools(|| {
            let device = Device::flex();
            let ids: Vec<i32> = (0..count).map(|at| (at * at * 31 % (rows / 2 * at % 97 + 1)) as i32).collect();
            let ids = Tensor::<1, Int>::from_ints(ids.as_slice(), &device).reshape([1, count]);
            let table = wave([rows, width], &device).autodiff().require_grad();
            let y = embedding(table.clone(), ids, 0);
            let mut gradients = vjp(y.clone(), wave([1, count, width], &device));
            let gradient = values(table.grad_remove(&mut gradients).unwrap());
            values(y.inner()).into_iter().chain(gradient).collect()
        });
    }
}
