//! The CPU kernels: experts one after the other, each product on all threads.

use super::{CarryOps, ExpertKernels, ExpertOps, sizes};
use crate::cpu::{Matrix, MatrixMut, contiguous, integers, new, values, values_mut};
use burn::{
    backend::{
        Flex, TensorMetadata,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::{Shape, TensorData},
};

impl CarryOps for Flex {}

impl ExpertOps for Flex {
    fn grouped(x: FloatTensor<Self>, weight: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self> {
        Self::grouped_product(x, weight, starts, false)
    }
}

impl ExpertKernels for Flex {
    fn route(
        scores: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        k: usize,
    ) -> (IntTensor<Self>, IntTensor<Self>, IntTensor<Self>, IntTensor<Self>) {
        let ([_, experts], scores, bias) = (scores.shape().dims(), contiguous(scores), contiguous(bias));
        let mut chosen = Vec::new();
        for row in values(&scores).chunks_exact(experts) {
            let of_row = chosen.len();
            for _ in 0..k {
                let best = best_of(row, values(&bias), &chosen[of_row..]);
                chosen.push(best);
            }
        }
        let mut starts = vec![0; experts + 1];
        chosen.iter().for_each(|expert| starts[expert + 1] += 1);
        (0..experts).for_each(|expert| starts[expert + 1] += starts[expert]);
        let (mut next, mut rows, mut places) = (starts.clone(), vec![0; chosen.len()], Vec::new());
        for (slot, expert) in chosen.iter().enumerate() {
            rows[next[*expert]] = slot / k;
            places.push(next[*expert]);
            next[*expert] += 1;
        }
        (tensor(&chosen), tensor(&rows), tensor(&places), tensor(&starts))
    }

    fn grouped_product(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        starts: IntTensor<Self>,
        turned: bool,
    ) -> FloatTensor<Self> {
        let (x, weight, starts) = (contiguous(x), contiguous(weight), integers(starts));
        let [_, c, f] = sizes::<Self>(&weight, turned);
        let mut y = new(Shape::new([x.shape()[0], f]));
        for (expert, (x, y)) in runs(&starts, values(&x), c).zip(runs_mut(&starts, values_mut(&mut y), f)).enumerate() {
            let strides = if turned { [1, c] } else { [f, 1] };
            let weight = Matrix::new(&values(&weight)[expert * c * f..][..c * f], [c, f], strides);
            y.product_on_all_threads(false, 1.0, x, weight);
        }
        y
    }

    fn grouped_outer(x: FloatTensor<Self>, dy: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self> {
        let (x, dy, starts) = (contiguous(x), contiguous(dy), integers(starts));
        let [c, f] = [&x, &dy].map(|it| it.shape()[1]);
        let mut dweight = new(Shape::new([starts.len() - 1, c, f]));
        let gradients = values_mut(&mut dweight).chunks_exact_mut((c * f).max(1));
        for ((x, dy), gradient) in runs(&starts, values(&x), c).zip(runs(&starts, values(&dy), f)).zip(gradients) {
            gradient.fill(0.0);
            MatrixMut::new(gradient, [c, f], f).product_on_all_threads(true, 1.0, x.transposed(), dy);
        }
        dweight
    }
}

/// The expert with the largest score and bias that is not `taken`; of equal ones the first. What is no number is no score.
fn best_of(scores: &[f32], bias: &[f32], taken: &[usize]) -> usize {
    let mut best = None;
    for (expert, (score, bias)) in scores.iter().zip(bias).enumerate() {
        if !taken.contains(&expert) && best.is_none_or(|(_, most)| score + bias > most) {
            best = Some((expert, score + bias));
        }
    }
    best.map_or(0, |(expert, _)| expert)
}

fn tensor(numbers: &[usize]) -> IntTensor<Flex> {
    let numbers: Vec<i32> = numbers.iter().map(|number| *number as i32).collect();
    let count = numbers.len();
    IntTensor::<Flex>::from_data(TensorData::new(numbers, [count]))
}

/// The rows of each expert.
fn runs<'a>(starts: &'a [i64], values: &'a [f32], width: usize) -> impl Iterator<Item = Matrix<'a>> {
    starts.windows(2).map(move |of| {
        let rows = (of[1] - of[0]) as usize;
        Matrix::new(&values[of[0] as usize * width..][..rows * width], [rows, width], [width, 1])
    })
}

/// As [`runs`], to write to.
fn runs_mut<'a>(starts: &[i64], mut values: &'a mut [f32], width: usize) -> impl Iterator<Item = MatrixMut<'a>> {
    values = &mut values[starts[0] as usize * width..];
    let lengths: Vec<usize> = starts.windows(2).map(|of| (of[1] - of[0]) as usize).collect();
    lengths.into_iter().map(move |rows| {
        let (own, others) = std::mem::take(&mut values).split_at_mut(rows * width);
        values = others;
        MatrixMut::new(own, [rows, width], width)
    })
}
