//! The CPU kernel: one pass over parameter, moments and gradient, in place where nothing else holds them.

use burn::backend::{Flex, tensor::FloatTensor};

use super::{AdamWNumbers, AdamWOps};
use crate::cpu::{ELEMENTS, contiguous, each, piece, split, update, values, values_mut, vectorized};

vectorized! {
    /// `states` are the parameter and its moments.
    fn step(simd: S, gradient: &'a [f32], factor: f32, numbers: AdamWNumbers, states: [&'a mut [f32]; 3]) -> () {
        let AdamWNumbers { learning_rate, beta1, beta2, eps, weight_decay, corrections } = numbers;
        let [share1, share2] = [beta1, beta2].map(|beta| (1.0 - beta) as f32);
        let [correction1, correction2] = corrections.map(|correction| correction as f32);
        let kept = 1.0 - (learning_rate * weight_decay) as f32;
        update(simd, [gradient], states, |[gradient], [parameter, first, second]| {
            let g = gradient * factor;
            let first = first * (1.0 - share1) + g * share1;
            let second = second * (1.0 - share2) + g * g * share2;
            let direction = first / correction1 / ((second / correction2).sqrt() + eps as f32);
            [parameter * kept - direction * learning_rate as f32, first, second]
        });
    }
}

impl AdamWOps for Flex {
    fn adamw(
        parameter: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        scalars: FloatTensor<Self>,
        numbers: AdamWNumbers,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let scalars = contiguous(scalars);
        let [factor, wanted] = values(&scalars) else { unreachable!("the front wants two") };
        let mut states = [parameter, first, second].map(contiguous);
        // NaN is no wish to update.
        if *wanted >= 0.5 {
            let gradient = contiguous(gradient);
            each(split(states.each_mut().map(values_mut), ELEMENTS), |number, states| {
                step(piece(values(&gradient), number, ELEMENTS), *factor, numbers, states);
            });
        }
        states.into()
    }
}
