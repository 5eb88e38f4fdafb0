//! The CPU kernel: one pass, the mask drawn on the way.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};

use super::{DropoutOps, Mask, reference};
use crate::{
    Kernel,
    cpu::{ELEMENTS, Simd, contiguous, each, new, piece, split, takes, values, values_mut, vectorized},
};

/// Numbers in the widest vectors.
const LANES: usize = 16;

vectorized! {
    /// `x` times the mask, from the pair of words `pair` on.
    fn apply(simd: S, mask: Mask, pair: u32, x: &'a [f32], y: &'a mut [f32]) -> () {
        let mut counters = simd.splat_u32s(pair);
        let lanes = bytemuck::cast_slice_mut::<S::u32s, u32>(std::slice::from_mut(&mut counters));
        lanes.iter_mut().zip(0..).for_each(|(counter, lane)| *counter = counter.wrapping_add(lane));
        let mut factors = [[0.0; 2]; LANES];
        for (x, y) in x.chunks(2 * S::U32_LANES).zip(y.chunks_mut(2 * S::U32_LANES)) {
            let [first, second] = mask.key.vectors(simd, counters);
            counters = simd.add_u32s(counters, simd.splat_u32s(S::U32_LANES as u32));
            let of_first = [factor(simd, mask, first)];
            let of_second = [factor(simd, mask, second)];
            let [of_first, of_second] = [&of_first, &of_second].map(|lanes| bytemuck::cast_slice::<S::f32s, f32>(lanes));
            for (pair, (first, second)) in factors.iter_mut().zip(of_first.iter().zip(of_second)) {
                *pair = [*first, *second];
            }
            for ((y, x), factor) in y.iter_mut().zip(x).zip(factors.as_flattened()) {
                *y = x * factor;
            }
        }
    }
}

/// The mask's values for some random words.
#[inline(always)]
fn factor<S: Simd>(simd: S, mask: Mask, words: S::u32s) -> S::f32s {
    let is_kept = simd.less_than_u32s(words, simd.splat_u32s(mask.keep_below));
    simd.select_f32s(is_kept, simd.splat_f32s(mask.scale), simd.splat_f32s(0.0))
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
            apply(mask, (number * ELEMENTS / 2) as u32, piece(values(&x), number, ELEMENTS), y);
        });
        y
    }
}
