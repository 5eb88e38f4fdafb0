use burn::tensor::{Device, Int, Tensor, TensorData};

use super::embedding;
use crate::vjp;
use crate::{each_device, testing::wgpu_device};

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

/// One id for all 8192 positions, as of padding: no sum is so long that its digits are lost, which one invocation's would be
/// (by 6e-5), and two runs give the same bits.
#[test]
fn a_common_id_is_summed_in_pieces() {
    let Some(device) = wgpu_device() else { return };
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
