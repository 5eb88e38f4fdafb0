//! A vector by a matrix, by the matrix's rows: their weighted sum, or what each gives with the vector.

use crate::cpu::{Simd, vectorized};

/// Rows that are read together: so many sums of one number are under way at once, and the result is loaded and stored but
/// once for them.
const TOGETHER: usize = 8;

vectorized! {
    /// Adds the sum of the rows `matrix[i stride ..]`, each as long as `sum` and multiplied by its number of `x`, to `sum`.
    pub fn add_weighted_rows(simd: S, x: &'a [f32], matrix: &'a [f32], stride: usize, sum: &'a mut [f32]) -> () {
        let mut groups = x.chunks_exact(TOGETHER);
        let mut rest = matrix;
        for group in &mut groups {
            let mut rows = [&rest[..0]; TOGETHER];
            for (at, row) in rows.iter_mut().enumerate() {
                *row = &rest[at * stride..][..sum.len()];
            }
            add_group(simd, group, rows, sum);
            rest = rest.get(TOGETHER * stride..).unwrap_or_default();
        }
        for (at, weight) in groups.remainder().iter().enumerate() {
            add_row(simd, *weight, &rest[at * stride..][..sum.len()], sum);
        }
    }

    /// The product of `x` and each row of the matrix `[y.len(), x.len()]`.
    pub fn products_with_rows(simd: S, x: &'a [f32], matrix: &'a [f32], y: &'a mut [f32]) -> () {
        let width = x.len();
        let whole = y.len() / ROWS * ROWS;
        let (groups, singles) = y.split_at_mut(whole);
        for (y, rows) in groups.chunks_exact_mut(ROWS).zip(matrix.chunks_exact(ROWS * width)) {
            with_rows::<S, ROWS>(simd, x, rows, y);
        }
        for (y, row) in singles.chunks_exact_mut(1).zip(matrix[whole * width..].chunks_exact(width)) {
            with_rows::<S, 1>(simd, x, row, y);
        }
    }
}

/// Rows whose products with one vector are made at once.
const ROWS: usize = 4;

/// Adds eight rows: by two sums, so that no addition waits for the seven before it.
#[inline(always)]
fn add_group<S: Simd>(simd: S, weights: &[f32], rows: [&[f32]; TOGETHER], sum: &mut [f32]) {
    let mut factors = [simd.splat_f32s(0.0); TOGETHER];
    for (factor, weight) in factors.iter_mut().zip(weights) {
        *factor = simd.splat_f32s(*weight);
    }
    let (vectors, last) = S::as_mut_simd_f32s(sum);
    let count = vectors.len();
    let mut wide: [&[S::f32s]; TOGETHER] = [&[]; TOGETHER];
    let mut ends = [simd.splat_f32s(0.0); TOGETHER];
    for ((wide, end), row) in wide.iter_mut().zip(&mut ends).zip(rows) {
        let (row, rest) = S::as_simd_f32s(row);
        *wide = &row[..count];
        if !rest.is_empty() {
            *end = simd.partial_load_f32s(rest);
        }
    }
    for (at, vector) in vectors.iter_mut().enumerate() {
        let mut numbers = [simd.splat_f32s(0.0); TOGETHER];
        for (number, row) in numbers.iter_mut().zip(&wide) {
            *number = row[at];
        }
        *vector = combined(simd, factors, numbers, *vector);
    }
    if !last.is_empty() {
        let whole = combined(simd, factors, ends, simd.partial_load_f32s(last));
        simd.partial_store_f32s(last, whole);
    }
}

#[inline(always)]
fn combined<S: Simd>(simd: S, by: [S::f32s; TOGETHER], x: [S::f32s; TOGETHER], sum: S::f32s) -> S::f32s {
    let mut even = simd.mul_add_e_f32s(by[0], x[0], sum);
    let mut odd = simd.mul_f32s(by[1], x[1]);
    for at in (2..TOGETHER).step_by(2) {
        even = simd.mul_add_e_f32s(by[at], x[at], even);
        odd = simd.mul_add_e_f32s(by[at + 1], x[at + 1], odd);
    }
    simd.add_f32s(even, odd)
}

#[inline(always)]
fn add_row<S: Simd>(simd: S, weight: f32, row: &[f32], sum: &mut [f32]) {
    let factor = simd.splat_f32s(weight);
    let ((vectors, last), (row, end)) = (S::as_mut_simd_f32s(sum), S::as_simd_f32s(row));
    for (vector, x) in vectors.iter_mut().zip(row) {
        *vector = simd.mul_add_e_f32s(factor, *x, *vector);
    }
    if !last.is_empty() {
        let whole = simd.mul_add_e_f32s(factor, simd.partial_load_f32s(end), simd.partial_load_f32s(last));
        simd.partial_store_f32s(last, whole);
    }
}

/// The products of `x` and `N` rows that follow one another.
#[inline(always)]
fn with_rows<S: Simd, const N: usize>(simd: S, x: &[f32], rows: &[f32], y: &mut [f32]) {
    let (x_wide, x_end) = S::as_simd_f32s(x);
    let mut sums = [simd.splat_f32s(0.0); N];
    let mut wide: [&[S::f32s]; N] = [&[]; N];
    for (at, wide) in wide.iter_mut().enumerate() {
        let (row, end) = S::as_simd_f32s(&rows[at * x.len()..][..x.len()]);
        *wide = &row[..x_wide.len()];
        if !x_end.is_empty() {
            sums[at] = simd.mul_f32s(simd.partial_load_f32s(x_end), simd.partial_load_f32s(end));
        }
    }
    for (at, x) in x_wide.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(&wide) {
            *sum = simd.mul_add_e_f32s(*x, row[at], *sum);
        }
    }
    for (y, sum) in y.iter_mut().zip(sums) {
        *y = simd.reduce_sum_f32s(sum);
    }
}
