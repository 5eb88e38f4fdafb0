//! What becomes of scores `[keys, LANES]`, vector by vector of queries.

use crate::cpu::{Simd, Vector, exp, fold, tanh, vectorized};

vectorized! {
    /// Scores become `cap tanh(score / cap)`.
    pub fn soften(simd: S, scores: &'a mut [f32], cap: f32) -> () {
        let (vectors, _) = S::as_mut_simd_f32s(scores);
        for lanes in vectors {
            *lanes = (tanh(Vector::new(simd, *lanes) * cap.recip()) * cap).lanes;
        }
    }

    /// Scores become their exponentials, shrunk by that of the largest of each query's, which goes to `largest`; their sum
    /// goes to `total`.
    pub fn exponentials(simd: S, scores: &'a mut [f32], largest: &'a mut [f32], total: &'a mut [f32]) -> () {
        let wide = largest.len() / Vector::<S>::LANES;
        let (scores, _) = S::as_mut_simd_f32s(scores);
        let (largest, _) = S::as_mut_simd_f32s(largest);
        let (total, _) = S::as_mut_simd_f32s(total);
        for at in 0..wide {
            let most = largest_of(simd, scores, at, wide);
            let mut sum = Vector::splat(simd, 0.0);
            for lanes in scores[at..].iter_mut().step_by(wide) {
                let weight = exp(Vector::new(simd, *lanes) - most);
                sum = sum + weight;
                *lanes = weight.lanes;
            }
            largest[at] = most.lanes;
            total[at] = sum.lanes;
        }
    }

    /// Scores become the weights of the forward pass, `p = exp(score - lse)`; and products `dp` of what arrives with the values
    /// become the gradients of scores, `p (dp - delta)`, times a soft-cap's slope `1 - (score / cap)^2`.
    pub fn gradients(
        simd: S,
        scores: &'a mut [f32],
        products: &'a mut [f32],
        lse: &'a [f32],
        delta: &'a [f32],
        cap: Option<f32>,
    ) -> () {
        let wide = lse.len() / Vector::<S>::LANES;
        let (scores, _) = S::as_mut_simd_f32s(scores);
        let (products, _) = S::as_mut_simd_f32s(products);
        let ((lse, _), (delta, _)) = (S::as_simd_f32s(lse), S::as_simd_f32s(delta));
        for at in 0..wide {
            let (lse, delta) = (Vector::new(simd, lse[at]), Vector::new(simd, delta[at]));
            let products = products[at..].iter_mut().step_by(wide);
            for (score, product) in scores[at..].iter_mut().step_by(wide).zip(products) {
                let s = Vector::new(simd, *score);
                let p = exp(s - lse);
                let mut gradient = p * (Vector::new(simd, *product) - delta);
                if let Some(cap) = cap {
                    // What is hidden is minus infinity, and has no slope.
                    let share = s.max(Vector::splat(simd, -cap)) * cap.recip();
                    gradient = gradient * (share * share).affine(-1.0, 1.0);
                }
                *score = p.lanes;
                *product = gradient.lanes;
            }
        }
    }

    /// The sum of the products of two rows.
    pub fn dot(simd: S, a: &'a [f32], b: &'a [f32]) -> f32 {
        let [sum] = fold(simd, [a, b], [0.0; 2], [0.0], |[sum], [a, b]| [a.mul_add(b, sum)]);
        sum.sum()
    }

    /// A row times a number.
    pub fn scale(_simd: S, row: &'a mut [f32], by: f32) -> () {
        row.iter_mut().for_each(|value| *value *= by);
    }
}

/// The largest of the vectors `at`, `at + wide`, ..
#[inline(always)]
fn largest_of<S: Simd>(simd: S, vectors: &[S::f32s], at: usize, wide: usize) -> Vector<S> {
    // Four at a time, for each waits for the one before.
    let mut largest = [Vector::splat(simd, f32::NEG_INFINITY); 4];
    let fours = vectors.chunks_exact(4 * wide);
    let rest = fours.remainder();
    for four in fours {
        for (number, largest) in largest.iter_mut().enumerate() {
            *largest = largest.max(Vector::new(simd, four[number * wide + at]));
        }
    }
    for (largest, vectors) in largest.iter_mut().zip(rest.chunks_exact(wide)) {
        *largest = largest.max(Vector::new(simd, vectors[at]));
    }
    largest[0].max(largest[1]).max(largest[2].max(largest[3]))
}
