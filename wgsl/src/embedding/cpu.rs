//! The CPU kernels: rows are copied, and each row of the table's gradient is written by one task.

use burn::{
    backend::{
        Flex, TensorMetadata,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::Shape,
};

use super::{EmbeddingKernels, EmbeddingOps};
use crate::cpu::{ELEMENTS, contiguous, each, integers, new, update, values, values_mut, vectorized};

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

/// The gradient of some rows of the table, from the row `first` on; `pairs` are sorted.
fn sum_rows(first: usize, width: usize, pairs: &[Pair], dy: &[f32], dtable: &mut [f32]) {
    dtable.fill(0.0);
    let begin = pairs.partition_point(|pair| pair.row < first);
    let end = pairs.partition_point(|pair| pair.row < first + dtable.len() / width);
    for run in pairs[begin..end].chunk_by(|a, b| a.row == b.row) {
        let sum = &mut dtable[(run[0].row - first) * width..][..width];
        if run.len() <= PIECE {
            add_rows(run, dy, sum);
            continue;
        }
        let mut of_piece = vec![0.0; width];
        for piece in run.chunks(PIECE) {
            of_piece.fill(0.0);
            add_rows(piece, dy, &mut of_piece);
            sum.iter_mut().zip(&of_piece).for_each(|(sum, of_piece)| *sum += of_piece);
        }
    }
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
        let (ids, dy) = (integers(ids), contiguous(dy));
        let ([count, width], dy) = (dy.shape().dims(), values(&dy));
        let pair = |(position, id)| Some(Pair { row: row_of(id, rows_of_table, first)?, position });
        let mut pairs: Vec<Pair> = ids.into_iter().enumerate().filter_map(pair).collect();
        pairs.sort_unstable();
        let mut dtable = new(Shape::new([rows_of_table, width]));
        // By what is written and what is added, as if ids were spread evenly.
        let tasks = ((rows_of_table + count) * width).div_ceil(ELEMENTS).max(1);
        let of_task = rows_of_table.div_ceil(tasks);
        let tasks = values_mut(&mut dtable).chunks_mut((of_task * width).max(1)).collect();
        each(tasks, |number, dtable| sum_rows(number * of_task, width, &pairs, dy, dtable));
        dtable
    }
}
