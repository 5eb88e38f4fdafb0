//! The CPU kernels: rows are copied, and each row of the table's gradient is written by one task.

use burn::{
    backend::{
        Flex, TensorMetadata,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::Shape,
};

use super::{EmbeddingKernels, EmbeddingOps};
use crate::cpu::{ELEMENTS, add, contiguous, each, integers, new, update, values, values_mut, vectorized};

/// Positions that are summed one after the other; the sums of so many each are then added, so that a common id's sum keeps
/// its digits.
const PIECE: usize = 64;

vectorized! {
    /// Adds the rows of `dy` at `positions`.
    fn add_rows(simd: S, positions: &'a [Pair], dy: &'a [f32], sum: &'a mut [f32]) -> () {
        let width = sum.len();
        for pair in positions {
            let dy = &dy[pair.position * width..][..width];
            update(simd, [dy], [&mut *sum], |[dy], [sum]| [sum + dy]);
        }
    }
}

/// A row of the table, and where it is asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    row: usize,
    position: usize,
}

/// The table's row of an id, where it has one.
fn row_of(id: i64, rows: usize, first: usize) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(first).filter(|row| *row < rows)
}

/// Adds to some rows of the table's gradient, from the row `first` on; `pairs` are sorted.
fn sum_rows(first: usize, width: usize, pairs: &[Pair], dy: &[f32], dtable: &mut [f32]) {
    let begin = pairs.partition_point(|pair| pair.row < first);
    let end = pairs.partition_point(|pair| pair.row < first + dtable.len() / width);
    let (mut of_row, mut of_piece) = (vec![0.0; width], vec![0.0; width]);
    for run in pairs[begin..end].chunk_by(|a, b| a.row == b.row) {
        // By itself first, so that it makes no difference whether there is a sum already.
        of_row.fill(0.0);
        for piece in run.chunks(PIECE) {
            of_piece.fill(0.0);
            add_rows(piece, dy, &mut of_piece);
            add(&of_piece, &mut of_row);
        }
        add(&of_row, &mut dtable[(run[0].row - first) * width..][..width]);
    }
}

/// Adds the gradient of a table that has the ids from `first` on, to what `begin` makes of each task's rows.
fn add_gradient(
    dtable: &mut FloatTensor<Flex>,
    ids: IntTensor<Flex>,
    dy: FloatTensor<Flex>,
    first: usize,
    begin: impl Fn(&mut [f32]) + Send + Sync,
) {
    let (ids, dy, [rows, width]) = (integers(ids), contiguous(dy), dtable.shape().dims());
    let pair = |(position, id)| Some(Pair { row: row_of(id, rows, first)?, position });
    let mut pairs: Vec<Pair> = ids.into_iter().enumerate().filter_map(pair).collect();
    pairs.sort_unstable();
    // By what is written and what is added, as if ids were spread evenly.
    let tasks = (rows * width + dy.shape().num_elements()).div_ceil(ELEMENTS).max(1);
    let of_task = rows.div_ceil(tasks);
    let tasks = values_mut(dtable).chunks_mut((of_task * width).max(1)).collect();
    each(tasks, |number, rows: &mut [f32]| {
        begin(rows);
        sum_rows(number * of_task, width, &pairs, values(&dy), rows);
    });
}

impl EmbeddingOps for Flex {
    fn embed(table: FloatTensor<Self>, ids: IntTensor<Self>, first: usize) -> FloatTensor<Self> {
        let (table, ids) = (contiguous(table), integers(ids));
        let ([rows, width], table) = (table.shape().dims(), values(&table));
        let mut y = new(Shape::new([ids.len(), width]));
        let of_task = (ELEMENTS / width.max(1)).max(1);
        let tasks = values_mut(&mut y).chunks_mut((of_task * width).max(1)).collect();
        each(tasks, |number, y: &mut [f32]| {
            for (id, y) in ids[number * of_task..].iter().zip(y.chunks_exact_mut(width)) {
                match row_of(*id, rows, first) {
                    Some(row) => y.copy_from_slice(&table[row * width..][..width]),
                    None => y.fill(0.0),
                }
            }
        });
        y
    }
}

impl EmbeddingKernels for Flex {
    fn embed_backward(
        ids: IntTensor<Self>,
        dy: FloatTensor<Self>,
        rows_of_table: usize,
        first: usize,
    ) -> FloatTensor<Self> {
        let mut dtable = new(Shape::new([rows_of_table, dy.shape()[1]]));
        add_gradient(&mut dtable, ids, dy, first, |rows| rows.fill(0.0));
        dtable
    }

    fn embed_backward_added(
        sum: FloatTensor<Self>,
        ids: IntTensor<Self>,
        dy: FloatTensor<Self>,
        first: usize,
    ) -> FloatTensor<Self> {
        let mut sum = contiguous(sum);
        add_gradient(&mut sum, ids, dy, first, |_| ());
        sum
    }
}
