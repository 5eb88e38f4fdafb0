use burn::tensor::{Device, Int, Tensor, TensorData};

use super::embedding;
use crate::each_device;

fn values<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter().collect()
}

fn wave<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let value = |at: usize| (at * 7919 % 1009) as f32 / 1009.0 - 0.5;
    let count = shape.iter().product();
    Tensor::from_data(TensorData::new((0..count).map(value).collect::<Vec<f32>>(), shape), device)
}

each_device! {
    /// Against the host: ids that repeat across blocks of positions, ids of other tables, one id for all.
    fn rows_and_their_gradient(device) {
        for (t, rows, width, first, spread) in [(1, 1, 1, 0, 1), (150, 7, 5, 0, 7), (200, 11, 70, 4, 19), (130, 3, 64, 2, 1)] {
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
