//! The CPU kernel: the sum of each piece goes to one of the partial sums, in the order of pieces.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};

use super::SquaresOps;
use crate::cpu::{ELEMENTS, contiguous, each, fold, piece, values, values_mut, vectorized};

vectorized! {
    fn sum_of_squares(simd: S, x: &'a [f32]) -> f32 {
        fold(simd, [x], [0.0], [0.0], |[sum], [x]| [x.mul_add(x, sum)])[0].sum()
    }
}

impl SquaresOps for Flex {
    fn add_squares(before: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let (mut sums, x) = (contiguous(before), contiguous(x));
        let mut pieces = vec![0.0; x.shape().num_elements().div_ceil(ELEMENTS)];
        each(pieces.iter_mut().collect(), |number, sum| *sum = sum_of_squares(piece(values(&x), number, ELEMENTS)));
        let sums_of = values_mut(&mut sums);
        let partial = sums_of.len();
        pieces.iter().enumerate().for_each(|(number, sum)| sums_of[number % partial] += sum);
        sums
    }
}
