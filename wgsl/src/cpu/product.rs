//! Products of matrices, by `gemm`, which Burn's CPU backend uses too.

use gemm::{Parallelism, gemm};

/// Multiplications from which a product is worth more than one thread.
const SHARED: usize = 1 << 20;

/// A matrix in a slice: the element in row `i` and column `j` is at `i strides[0] + j strides[1]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Rows of `columns` values, one after the other.
    ///
    /// # Panics
    /// If the values do not make whole rows.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        let rows = if columns == 0 { 0 } else { values.len() / columns };
        Self::strided(values, [rows, columns], [columns, 1])
    }

    /// # Panics
    /// If an element would lie outside of the slice.
    pub fn strided(values: &'a [f32], shape: [usize; 2], strides: [usize; 2]) -> Self {
        let last = (0..2).map(|axis| shape[axis].saturating_sub(1) * strides[axis]).sum::<usize>();
        assert!(shape.contains(&0) || last < values.len(), "a matrix {shape:?} lies in {} values", values.len());
        Self { values, shape, strides }
    }

    /// Rows for columns; nothing moves.
    pub fn transposed(self) -> Self {
        let ([rows, columns], [row, column]) = (self.shape, self.strides);
        Self { shape: [columns, rows], strides: [column, row], ..self }
    }
}

/// Writes `a b` to `out`, row by row, or adds it; on one thread where `alone`.
///
/// # Panics
/// If the shapes do not fit.
pub fn product(a: Matrix, b: Matrix, out: &mut [f32], add: bool, alone: bool) {
    let ([m, k], [b_rows, n]) = (a.shape, b.shape);
    assert!(k == b_rows && out.len() == m * n, "{:?} times {:?} does not make {} values", a.shape, b.shape, out.len());
    if k == 0 && !add {
        out.fill(0.0);
    }
    if m * n * k == 0 {
        return;
    }
    let threads = if alone || m * n * k < SHARED { Parallelism::None } else { all_threads() };
    let [a_row, a_column, b_row, b_column] =
        [a.strides[0], a.strides[1], b.strides[0], b.strides[1]].map(|stride| stride as isize);
    let (out, before) = (out.as_mut_ptr(), if add { 1.0 } else { 0.0 });
    // SAFETY: all elements of `a` and `b` lie in their slices and those of `out` in its own, which nothing else can reach.
    unsafe {
        gemm(
            m,
            n,
            k,
            out,
            1,
            n as isize,
            add,
            a.values.as_ptr(),
            a_column,
            a_row,
            b.values.as_ptr(),
            b_column,
            b_row,
            before,
            1.0,
            false,
            false,
            false,
            threads,
        );
    }
}

#[cfg(not(target_family = "wasm"))]
fn all_threads() -> Parallelism {
    Parallelism::Rayon(0)
}

#[cfg(target_family = "wasm")]
fn all_threads() -> Parallelism {
    Parallelism::None
}
