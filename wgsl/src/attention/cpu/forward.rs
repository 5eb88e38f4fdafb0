//! `y = softmax(mask(scale q k^T)) v`: the blocks of all heads are tasks.

use burn::{
    backend::{Flex, tensor::FloatTensor},
    tensor::Shape as Dims,
};

use super::{
    block::{Block, Shape},
    weights,
};
use crate::cpu::{Heads, Matrix, MatrixMut, Scratch, each, new, values_mut};

/// The result and the log-sum-exp of each row, given `q`, `k` and `v`.
pub fn forward(tensors: [Heads<'_>; 3], documents: &[i32], shape: Shape) -> (FloatTensor<Flex>, FloatTensor<Flex>) {
    let Shape { b, t, h, d, .. } = shape;
    let mut y = new(Dims::new([b, t, h, d]));
    let mut lse = new(Dims::new([b, t, h]));
    let outputs = MatrixMut::heads(values_mut(&mut y), [b, t, h, d]).into_iter();
    let outputs = outputs.zip(MatrixMut::heads(values_mut(&mut lse), [b, t, h, 1]));
    let lanes = shape.lanes();
    let tasks = outputs.flat_map(|(y, lse)| y.split_rows(lanes).zip(lse.split_rows(lanes))).collect();
    each(tasks, |number, outputs| {
        let (matrix, block) = (number / shape.blocks(), shape.block(number % shape.blocks()));
        let (batch, head) = (matrix / h, matrix % h);
        let [q, k, v] = tensors;
        let inputs = [q.head(batch, head), k.head(batch, shape.kv_head(head)), v.head(batch, shape.kv_head(head))];
        let documents = documents.get(batch * shape.s..).unwrap_or_default();
        attend(inputs, documents, &block, shape, outputs);
    });
    (y, lse)
}

/// The rows of one block.
fn attend(
    [q, k, v]: [Matrix<'_>; 3],
    documents: &[i32],
    block: &Block,
    shape: Shape,
    (mut y, mut lse): (MatrixMut<'_>, MatrixMut<'_>),
) {
    let lanes = shape.lanes();
    let mut scratch = Scratch::new((shape.most_keys() + 2) * lanes);
    let (statistics, scores) = scratch.split_at_mut(2 * lanes);
    let scores = &mut scores[..block.keys.len() * lanes];
    scored(scores, [q, k], documents, block, shape);
    let (largest, total) = statistics.split_at_mut(lanes);
    weights::exponentials(scores, largest, total);
    let rows = block.rows.len();
    let weights = Matrix::new(scores, [block.keys.len(), rows], [lanes, 1]);
    y.product(false, 1.0, weights.transposed(), v.rows(block.keys.clone()));
    for row in 0..rows {
        weights::scale(y.row(row), total[row].recip());
        lse.row(row)[0] = largest[row] + total[row].ln();
    }
}

/// Writes the scores of a block's keys and queries, `[keys, LANES]`.
pub fn scored(scores: &mut [f32], [q, k]: [Matrix<'_>; 2], documents: &[i32], block: &Block, shape: Shape) {
    let (keys, rows) = (block.keys.clone(), block.rows.clone());
    let mut products = MatrixMut::new(scores, [keys.len(), rows.len()], shape.lanes());
    products.product(false, shape.scale(), k.rows(keys), q.rows(rows).transposed());
    if let Some(cap) = shape.options.softcap {
        weights::soften(scores, cap as f32);
    }
    block.hide(scores, documents);
}
