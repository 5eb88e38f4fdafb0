//! The CPU kernels: a task has some rows, which it passes over while they are in its core's cache.

use burn::{
    backend::{Flex, TensorMetadata, tensor::FloatTensor},
    tensor::Shape,
};

use super::{NormKernels, NormOps, NormOptions, Variant};
use crate::cpu::{
    ELEMENTS, add, contiguous, each, fold, map, new, piece, split, update, values, values_mut, vectorized,
};

/// Rows of a task.
fn rows_together(width: usize) -> usize {
    ELEMENTS.div_ceil(width)
}

vectorized! {
    /// Normalises rows; `parameters` are scale and shift.
    fn forward(
        simd: S,
        x: &'a [f32],
        parameters: (&'a [f32], Option<&'a [f32]>),
        variant: Variant,
        y: &'a mut [f32],
        stats: &'a mut [f32],
    ) -> () {
        let (gamma, beta) = parameters;
        let width = gamma.len();
        let share = 1.0 / width as f32;
        for ((x, y), stats) in x.chunks(width).zip(y.chunks_mut(width)).zip(stats.chunks_mut(2)) {
            let mean = match variant.options.centred {
                true => fold(simd, [x], [0.0], [0.0], |[sum], [x]| [sum + x])[0].sum() * share,
                false => 0.0,
            };
            let squares = fold(simd, [x], [mean], [0.0], |[sum], [x]| {
                let x = x - mean;
                [x.mul_add(x, sum)]
            });
            let scale = 1.0 / (squares[0].sum() * share + variant.options.eps as f32).sqrt();
            match beta {
                Some(beta) => map(simd, [x, gamma, beta], [y], |[x, gamma, beta]| [((x - mean) * scale).mul_add(gamma, beta)]),
                None => map(simd, [x, gamma], [y], |[x, gamma]| [(x - mean) * scale * gamma]),
            }
            stats.copy_from_slice(&[mean, scale]);
        }
    }

    /// With `n` the normalised row and `g = dy gamma`, `dx = scale (g - mean(g) - n mean(g n))`, the first mean only where
    /// `centred`; adds `dy n` and `dy` of all rows to `of_parameters`, one after the other.
    fn backward(
        simd: S,
        inputs: [&'a [f32]; 3],
        gamma: &'a [f32],
        centred: bool,
        dx: &'a mut [f32],
        of_parameters: &'a mut [f32],
    ) -> () {
        let [x, dy, stats] = inputs;
        let width = gamma.len();
        let share = 1.0 / width as f32;
        let (of_gamma, of_beta) = of_parameters.split_at_mut(width);
        let rows = x.chunks(width).zip(dy.chunks(width)).zip(dx.chunks_mut(width));
        for (((x, dy), dx), stats) in rows.zip(stats.chunks(2)) {
            let (mean, scale) = (stats[0], stats[1]);
            let sums = fold(simd, [x, dy, gamma], [mean, 0.0, 0.0], [0.0, 0.0], |[along, all], [x, dy, gamma]| {
                let g = dy * gamma;
                [g.mul_add((x - mean) * scale, along), all + g]
            });
            let along = sums[0].sum() * share;
            let all = if centred { sums[1].sum() * share } else { 0.0 };
            let states = [dx, &mut *of_gamma, &mut *of_beta];
            update(simd, [x, dy, gamma], states, |[x, dy, gamma], [_, of_gamma, of_beta]| {
                let n = (x - mean) * scale;
                [(dy * gamma - all - n * along) * scale, dy.mul_add(n, of_gamma), of_beta + dy]
            });
        }
    }
}

/// Normalises a single row; `gamma` and `beta` are scale and shift.
pub fn normalize_row(x: &[f32], gamma: &[f32], beta: Option<&[f32]>, options: NormOptions, y: &mut [f32]) {
    let variant = Variant { options, shifted: beta.is_some(), subgroups: false };
    forward(x, (gamma, beta), variant, y, &mut [0.0; 2]);
}

impl NormOps for Flex {
    fn norm_scaled(x: FloatTensor<Self>, gamma: FloatTensor<Self>, variant: Variant) -> FloatTensor<Self> {
        Self::norm_forward(x, gamma.clone(), gamma, variant).0
    }

    fn norm_shifted(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        variant: Variant,
    ) -> FloatTensor<Self> {
        Self::norm_forward(x, gamma, beta, variant).0
    }
}

impl NormKernels for Flex {
    fn norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        variant: Variant,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, beta] = [x, gamma, beta].map(contiguous);
        let [width] = gamma.shape().dims();
        let (rows, together) = (x.shape().num_elements() / width, rows_together(width));
        let (mut y, mut stats) = (new(x.shape()), new(Shape::new([rows, 2])));
        let of_rows = split([values_mut(&mut y)], together * width);
        let tasks = of_rows.into_iter().zip(values_mut(&mut stats).chunks_mut(2 * together)).collect();
        let parameters = (values(&gamma), variant.shifted.then(|| values(&beta)));
        each(tasks, |number, ([y], stats)| {
            forward(piece(values(&x), number, together * width), parameters, variant, y, stats);
        });
        (y, stats)
    }

    fn norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        stats: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        variant: Variant,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gamma, stats, dy] = [x, gamma, stats, dy].map(contiguous);
        let [width] = gamma.shape().dims();
        let together = rows_together(width);
        let mut dx = new(x.shape());
        let of_rows = split([values_mut(&mut dx)], together * width);
        let mut partial = vec![0.0; 2 * width * of_rows.len().max(1)];
        let tasks = of_rows.into_iter().zip(partial.chunks_mut(2 * width)).collect();
        each(tasks, |number, ([dx], of_parameters)| {
            let [x, dy] = [&x, &dy].map(|x| piece(values(x), number, together * width));
            let stats = piece(values(&stats), number, 2 * together);
            backward([x, dy, stats], values(&gamma), variant.options.centred, dx, of_parameters);
        });
        let mut of_parameters = new(Shape::new([1, 2, width]));
        let (first, others) = partial.split_at(2 * width);
        let sums = values_mut(&mut of_parameters);
        sums.copy_from_slice(first);
        others.chunks(2 * width).for_each(|partial| add(partial, sums));
        (dx, of_parameters)
    }
}
