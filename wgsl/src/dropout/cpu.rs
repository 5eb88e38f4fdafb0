//! The CPU kernel: one pass, the mask drawn on the way.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};

use super::{DropoutOps, Mask, reference};
use crate::{
    Kernel,
    cpu::{ELEMENTS, contiguous, each, new, piece, split, takes, values, values_mut, vectorized},
};

/// Pairs of words that are drawn at once: two of the widest vectors.
const PAIRS: usize = 32;

vectorized! {
    /// `x` times the mask, from the pair of words `pair` on. Plain loops, which the compiler makes vectors of.
    fn apply(_simd: S, mask: Mask, pair: usize, x: &'a [f32], y: &'a mut [f32]) -> () {
        for (block, (x, y)) in x.chunks(2 * PAIRS).zip(y.chunks_mut(2 * PAIRS)).enumerate() {
            let factors = mask.block::<PAIRS>(pair + block * PAIRS);
            for ((y, x), factor) in y.iter_mut().zip(x).zip(factors.as_flattened()) {
                *y = x * factor;
            }
        }
    }
}

impl DropoutOps for Flex {
    fn dropout(x: FloatTensor<Self>, key_0: u32, key_1: u32, rate: f64) -> FloatTensor<Self> {
        if !takes(Kernel::Dropout, &x) {
            return reference::<Self>(x, key_0, key_1, rate);
        }
        let (x, mask) = (contiguous(x), Mask::new(key_0, key_1, rate));
        let mut y = new(x.shape());
        // A task has whole pairs.
        each(split([values_mut(&mut y)], ELEMENTS), |number, [y]| {
            apply(mask, number * ELEMENTS / 2, piece(values(&x), number, ELEMENTS), y);
        });
        y
    }
}
