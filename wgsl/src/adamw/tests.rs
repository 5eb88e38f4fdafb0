use burn::tensor::{Device, Tensor};

use super::{AdamWNumbers, adamw};
use crate::{
    cpu::{ODD, same_in_all_pools, same_without_kernels},
    testing::uniform,
};

const NUMBERS: AdamWNumbers = AdamWNumbers {
    learning_rate: 0.01,
    beta1: 0.9,
    beta2: 0.95,
    eps: 1e-8,
    weight_decay: 0.1,
    corrections: [0.19, 0.0975],
};

/// Parameter and moments after an update.
fn updated(parameter: Tensor<1>, gradient: Tensor<1>, scalars: [f32; 2], moments: Option<[Tensor<1>; 2]>) -> Vec<f32> {
    let scalars = Tensor::from_floats(scalars, &parameter.device());
    let (parameter, [first, second]) = adamw(parameter, moments, gradient, scalars, NUMBERS);
    [parameter, first, second].into_iter().flat_map(|x| x.into_data().iter::<f32>().collect::<Vec<f32>>()).collect()
}

/// On the CPU: every pair of parameter and gradient, first and later updates, and one that is not wanted.
#[test]
fn odd_values_are_treated_as_by_the_reference() {
    let device = Device::flex();
    let pairs = ODD.iter().flat_map(|x| ODD.iter().map(move |gradient| (*x, *gradient)));
    let (parameter, gradient): (Vec<f32>, Vec<f32>) = pairs.chain([(1.0, 2.0)]).unzip();
    let tensor = |values: &[f32]| Tensor::<1>::from_floats(values, &device);
    let moment = uniform::<1>([parameter.len()], 0.1..1.0, 1, &device);
    for moments in [None, Some([moment.clone() - 0.5, moment])] {
        for count in [parameter.len(), 1] {
            let moments = moments.clone().map(|moments| moments.map(|moment| moment.narrow(0, 0, count)));
            let [parameter, gradient] = [&parameter, &gradient].map(|values| tensor(&values[..count]));
            same_without_kernels(|| updated(parameter.clone(), gradient.clone(), [0.5, 1.0], moments.clone()));
            let ordinary = Tensor::ones([count], &device);
            same_without_kernels(|| updated(ordinary.clone(), gradient.clone(), [0.5, 0.0], moments.clone()));
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let device = Device::flex();
    let [parameter, gradient] = [1, 2].map(|seed| uniform::<1>([100_003], -1.0..1.0, seed, &device));
    same_in_all_pools(|| updated(parameter.clone(), gradient.clone(), [0.7, 1.0], None));
}
