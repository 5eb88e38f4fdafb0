//! Matrices in tensors, and their products by `gemm`, which Burn's CPU backend uses too.

use std::{
    marker::PhantomData,
    ops::{Range, RangeInclusive},
};

use burn::backend::{Flex, tensor::FloatTensor};
use gemm::Parallelism;

use super::tasks::{each, threads};

/// Sides of a tile. `gemm` copies both factors into the order in which it reads them, of a small tile nearly as long as it
/// multiplies; of a large one it keeps less in a core's second cache.
const SIDES: RangeInclusive<usize> = 192..=768;

/// The matrices `[T, D]` of a tensor `[B, T, H, D]`, each where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Heads<'a> {
    values: &'a [f32],
    start: usize,
    shape: [usize; 4],
    strides: [usize; 4],
}

impl<'a> Heads<'a> {
    /// Those of a tensor that [`Heads::laid_out`] gave.
    pub fn of(x: &'a FloatTensor<Flex>) -> Self {
        let stride = |axis: usize| usize::try_from(x.layout().strides()[axis]).expect("no stride is negative");
        let strides = std::array::from_fn(stride);
        Self { values: x.storage(), start: x.layout().start_offset(), shape: x.layout().shape().dims(), strides }
    }

    /// The tensor, copied only where the `D` numbers of a row do not follow one another.
    pub fn laid_out(x: FloatTensor<Flex>) -> FloatTensor<Flex> {
        let strides = x.layout().strides();
        if strides[3] == 1 && strides.iter().all(|stride| *stride >= 0) { x } else { x.to_contiguous() }
    }

    /// The matrix of a batch and a head.
    pub fn head(&self, batch: usize, head: usize) -> Matrix<'a> {
        let ([_, t, _, d], strides) = (self.shape, self.strides);
        let start = self.start + batch * strides[0] + head * strides[2];
        Matrix::new(self.values.get(start..).unwrap_or_default(), [t, d], [strides[1], strides[3]])
    }
}

/// A matrix of any strides.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// The matrix whose element `(i, j)` is `values[i strides[0] + j strides[1]]`.
    pub fn new(values: &'a [f32], shape: [usize; 2], strides: [usize; 2]) -> Self {
        assert!(needed(shape, strides) <= values.len(), "{shape:?} by {strides:?} in {}", values.len());
        Self { values, shape, strides }
    }

    /// Some of the rows.
    pub fn rows(self, rows: Range<usize>) -> Self {
        let values = self.values.get(rows.start * self.strides[0]..).unwrap_or_default();
        Self::new(values, [rows.len(), self.shape[1]], self.strides)
    }

    /// The numbers of a row, which follow one another.
    pub fn row(self, row: usize) -> &'a [f32] {
        assert_eq!(self.strides[1], 1, "a row whose numbers follow one another");
        &self.values[row * self.strides[0]..][..self.shape[1]]
    }

    /// Some of the columns.
    pub fn columns(self, columns: Range<usize>) -> Self {
        self.transposed().rows(columns).transposed()
    }

    /// Rows as columns.
    pub fn transposed(self) -> Self {
        let ([rows, columns], [down, right]) = (self.shape, self.strides);
        Self { shape: [columns, rows], strides: [right, down], ..self }
    }
}

/// Numbers of a slice that a matrix reaches over.
fn needed([rows, columns]: [usize; 2], [down, right]: [usize; 2]) -> usize {
    if rows * columns == 0 { 0 } else { (rows - 1) * down + (columns - 1) * right + 1 }
}

/// A matrix that can be written; the numbers of a row follow one another, and other matrices may lie between its rows.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    start: *mut f32,
    shape: [usize; 2],
    /// From a row to the next.
    stride: usize,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is the only way to its elements, as a `&mut [f32]` would be.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// The matrix whose element `(i, j)` is `values[i stride + j]`.
    pub fn new(values: &'a mut [f32], shape: [usize; 2], stride: usize) -> Self {
        assert!(needed(shape, [stride, 1]) <= values.len(), "{shape:?} by {stride} in {}", values.len());
        Self::at(values.as_mut_ptr(), shape, stride)
    }

    fn at(start: *mut f32, shape: [usize; 2], stride: usize) -> Self {
        Self { start, shape, stride, values: PhantomData }
    }

    /// The matrices `[T, D]` of a contiguous tensor `[B, T, H, D]`, those of a batch one after the other.
    pub fn heads(values: &'a mut [f32], [b, t, h, d]: [usize; 4]) -> Vec<Self> {
        assert_eq!(values.len(), b * t * h * d, "[B, T, H, D] = [{b}, {t}, {h}, {d}]");
        let start = values.as_mut_ptr();
        // No element is in two of them: heads are columns of their own, and batches rows.
        let head = |at: usize| Self::at(start.wrapping_add((at / h * t * h + at % h) * d), [t, d], h * d);
        (0..b * h).map(head).collect()
    }

    /// The rows in pieces of `length`; the last may be shorter.
    pub fn split_rows(self, length: usize) -> impl Iterator<Item = Self> {
        let [rows, columns] = self.shape;
        (0..rows).step_by(length).map(move |first| {
            Self::at(self.start.wrapping_add(first * self.stride), [length.min(rows - first), columns], self.stride)
        })
    }

    /// The matrix in tiles of some rows and columns, the last of which may be smaller: column by column of them.
    fn tiles(self, [rows, columns]: [usize; 2]) -> Vec<MatrixMut<'a>> {
        let ([m, n], (start, stride)) = (self.shape, (self.start, self.stride));
        // No element is in two of them.
        let tile = |row: usize, column: usize| {
            let shape = [rows.min(m - row), columns.min(n - column)];
            MatrixMut::at(start.wrapping_add(row * stride + column), shape, stride)
        };
        let of_column = |column| (0..m).step_by(rows).map(move |row| tile(row, column));
        (0..n).step_by(columns).flat_map(of_column).collect()
    }

    /// Some of the rows.
    pub fn rows(&mut self, rows: Range<usize>) -> MatrixMut<'_> {
        assert!(rows.start <= rows.end && rows.end <= self.shape[0], "rows {rows:?} of {}", self.shape[0]);
        MatrixMut::at(self.start.wrapping_add(rows.start * self.stride), [rows.len(), self.shape[1]], self.stride)
    }

    /// The numbers of a row.
    pub fn row(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.shape[0], "row {row} of {}", self.shape[0]);
        // SAFETY: the row is one of the matrix, which nobody else reads or writes.
        unsafe { std::slice::from_raw_parts_mut(self.start.wrapping_add(row * self.stride), self.shape[1]) }
    }

    /// Writes `scale a b`, or adds it to what is there, on this thread.
    pub fn product(&mut self, adds: bool, scale: f32, a: Matrix<'_>, b: Matrix<'_>) {
        self.multiply(adds, scale, a, b, Parallelism::None);
    }

    /// The same on as many threads as there are: by tiles, where there are enough, or as `gemm` itself shares a product. How `gemm`
    /// adds up a number depends on the length of its sum alone, so the bits are those of any number of threads.
    pub fn product_on_all_threads(mut self, adds: bool, scale: f32, a: Matrix<'_>, b: Matrix<'_>) {
        let [m, n] = self.shape;
        let Some(tile) = tile_of([m, n], threads()) else {
            return self.multiply(adds, scale, a, b, all_threads());
        };
        let down = m.div_ceil(tile[0]);
        each(self.tiles(tile), |number, mut out| {
            let (row, column) = (number % down * tile[0], number / down * tile[1]);
            let [rows, columns] = out.shape;
            out.product(adds, scale, a.rows(row..row + rows), b.columns(column..column + columns));
        });
    }

    fn multiply(&mut self, adds: bool, scale: f32, a: Matrix<'_>, b: Matrix<'_>, threads: Parallelism) {
        let ([m, n], k) = (self.shape, a.shape[1]);
        assert_eq!((a.shape[0], b.shape), (m, [k, n]), "a product of {:?} and {:?}", a.shape, b.shape);
        let ([a_rs, a_cs], [b_rs, b_cs]) = (a.strides.map(|s| s as isize), b.strides.map(|s| s as isize));
        let (start, stride) = (self.start, self.stride as isize);
        let (a, b) = (a.values.as_ptr(), b.values.as_ptr());
        // SAFETY: the three matrices are within their memory, and what is written nobody else reads or writes.
        unsafe {
            gemm::gemm(
                m, n, k, start, 1, stride, adds, a, a_cs, a_rs, b, b_cs, b_rs, 1.0, scale, false, false, false, threads,
            );
        }
    }
}

/// Rows and columns of a tile of `[m, n]`: two tiles for each of so many threads, or as many as there can be; `None` where that is
/// not even one.
fn tile_of([m, n]: [usize; 2], threads: usize) -> Option<[usize; 2]> {
    let even = |side: usize| side.div_ceil(side.div_ceil(*SIDES.end()).max(1)).max(1);
    let mut tile = [even(m), even(n)];
    loop {
        let count = m.div_ceil(tile[0]) * n.div_ceil(tile[1]);
        let longer = usize::from(tile[1] > tile[0]);
        if count >= 2 * threads || tile[longer] < 2 * SIDES.start() {
            return (count >= threads).then_some(tile);
        }
        tile[longer] = tile[longer].div_ceil(2);
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
