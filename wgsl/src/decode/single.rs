//! What is done to single rows.

use crate::{
    NormOptions,
    cpu::{Map, Vector, tanh, update, vectorized},
    gate::{Gelu, ReluSquared, Swiglu},
    norm::normalize_row,
};

/// [`norm`](crate::norm()) of one row `[C]`.
///
/// # Panics
/// If the lengths differ.
pub fn norm_row(x: &[f32], gamma: &[f32], beta: Option<&[f32]>, options: NormOptions, y: &mut [f32]) {
    let alike = x.len() == gamma.len() && x.len() == y.len() && beta.is_none_or(|beta| beta.len() == x.len());
    assert!(alike, "decode: a row of {} numbers and a scale of {}", x.len(), gamma.len());
    normalize_row(x, gamma, beta, options, y);
}

/// Heads of one position, one after the other, turned as [`rotate`](crate::rotate) turns them; the angles are those of a head's
/// pairs, `[D / 2]`.
pub fn rotate_in_place(heads: &mut [f32], cosines: &[f32], sines: &[f32], interleaved: bool) {
    let half = cosines.len();
    for head in heads.chunks_exact_mut((2 * half).max(1)) {
        for (i, (cosine, sine)) in cosines.iter().zip(sines).enumerate() {
            let (a, b) = if interleaved { (2 * i, 2 * i + 1) } else { (i, half + i) };
            (head[a], head[b]) = (head[a] * cosine - head[b] * sine, head[b] * cosine + head[a] * sine);
        }
    }
}

vectorized! {
    /// [`swiglu`](crate::swiglu) in the place of `up`.
    pub fn swiglu_in_place(simd: S, gate: &'a [f32], up: &'a mut [f32]) -> () {
        update(simd, [gate], [up], |[gate], [up]| Swiglu.apply([gate, up]));
    }

    /// [`gelu`](crate::gelu) in the place of `x`.
    pub fn gelu_in_place(simd: S, x: &'a mut [f32]) -> () {
        update(simd, [], [x], |[], [x]| Gelu.apply([x]));
    }

    /// [`relu_squared`](crate::relu_squared) in the place of `x`.
    pub fn relu_squared_in_place(simd: S, x: &'a mut [f32]) -> () {
        update(simd, [], [x], |[], [x]| ReluSquared.apply([x]));
    }

    /// `cap tanh(x / cap)` in the place of `x` (Gemma 2, arXiv 2408.00118).
    pub fn softcap_in_place(simd: S, x: &'a mut [f32], cap: f32) -> () {
        update(simd, [], [x], |[], [x]| [tanh(x / Vector::splat(simd, cap)) * cap]);
    }
}
