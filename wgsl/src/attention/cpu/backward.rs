//! With `p = softmax(s)` of scores `s = scale q k^T`, and `delta` the sum of `dy y` over a row (Dao 2023, arXiv 2307.08691,
//! algorithm 2): `dv = p^T dy`, `ds = p (dy v^T - delta)`, `dq = scale ds k` and `dk = scale ds^T q`. The heads of queries are
//! tasks, each of which goes over its blocks.

use burn::{
    backend::{Flex, tensor::FloatTensor},
    tensor::Shape as Dims,
};

use super::{
    block::{Block, Shape},
    forward::scored,
    weights,
};
use crate::cpu::{ELEMENTS, Heads, Matrix, MatrixMut, Scratch, each, new, split, values, values_mut};

/// The gradients of `q`, `k` and `v`, given these, the result and its gradient, and the log-sum-exp of each row.
pub fn backward(
    tensors: [Heads<'_>; 5],
    lse: &FloatTensor<Flex>,
    documents: &[i32],
    shape: Shape,
) -> [FloatTensor<Flex>; 3] {
    let Shape { b, t, s, h, d, .. } = shape;
    let mut dq = new(Dims::new([b, t, h, d]));
    // What each head of queries finds; those of a group are added later.
    let mut of_keys_values = [(); 2].map(|()| new(Dims::new([b, s, h, d])));
    let [dk, dv] = of_keys_values.each_mut().map(|x| MatrixMut::heads(values_mut(x), [b, s, h, d]));
    let heads = MatrixMut::heads(values_mut(&mut dq), [b, t, h, d]).into_iter().zip(dk).zip(dv);
    let tasks = heads.map(|((dq, dk), dv)| [dq, dk, dv]).collect();
    let lse = values(lse);
    each(tasks, |number, [dq, dk, dv]| {
        let (batch, head) = (number / h, number % h);
        let [q, k, v, y, dy] = tensors;
        let [q, y, dy] = [q, y, dy].map(|x| x.head(batch, head));
        let [k, v] = [k, v].map(|x| x.head(batch, shape.kv_head(head)));
        let lse = Matrix::new(&lse[batch * t * h + head..], [t, 1], [h, 1]);
        let documents = documents.get(batch * s..).unwrap_or_default();
        let head = Head { inputs: [q, k, v, y, dy], lse, documents, shape };
        head.gradients(dq, [dk, dv]);
    });
    let [dk, dv] = of_keys_values.map(|x| group_sums(x, shape));
    [dq, dk, dv]
}

/// A head of queries.
struct Head<'a> {
    /// `q`, `k`, `v`, `y` and `dy`.
    inputs: [Matrix<'a>; 5],
    lse: Matrix<'a>,
    documents: &'a [i32],
    shape: Shape,
}

impl Head<'_> {
    fn gradients(&self, mut dq: MatrixMut<'_>, mut of_keys_values: [MatrixMut<'_>; 2]) {
        let shape = self.shape;
        for gradient in &mut of_keys_values {
            (0..shape.s).for_each(|row| gradient.row(row).fill(0.0));
        }
        let mut scratch = Scratch::new((2 * shape.most_keys() + 2) * shape.lanes());
        for number in 0..shape.blocks() {
            let block = shape.block(number);
            let [dk, dv] = of_keys_values.each_mut().map(|x| x.rows(block.keys.clone()));
            self.add(&block, &mut scratch, [dq.rows(block.rows.clone()), dk, dv]);
        }
    }

    /// Writes the gradients of a block's queries, and adds to those of its keys and values.
    fn add(&self, block: &Block, scratch: &mut [f32], [mut dq, mut dk, mut dv]: [MatrixMut<'_>; 3]) {
        let (shape, lanes, scale) = (self.shape, self.shape.lanes(), self.shape.scale());
        let size = block.keys.len() * lanes;
        let (statistics, scratch) = scratch.split_at_mut(2 * lanes);
        let (scores, scratch) = scratch.split_at_mut(size);
        let of_scores = &mut scratch[..size];
        let [q, k, v, y, dy] = self.inputs;
        let [q_rows, y_rows, dy_rows, lse] = [q, y, dy, self.lse].map(|x| x.rows(block.rows.clone()));
        let [k, v] = [k, v].map(|x| x.rows(block.keys.clone()));

        scored(scores, [q, self.inputs[1]], self.documents, block, shape);
        let between = [block.keys.len(), block.rows.len()];
        MatrixMut::new(of_scores, between, lanes).product(false, 1.0, v, dy_rows.transposed());
        let (lse_lanes, delta) = statistics.split_at_mut(lanes);
        for row in 0..block.rows.len() {
            lse_lanes[row] = lse.row(row)[0];
            delta[row] = weights::dot(dy_rows.row(row), y_rows.row(row));
        }
        weights::gradients(scores, of_scores, lse_lanes, delta, shape.options.softcap.map(|cap| cap as f32));

        let [p, ds] = [&*scores, &*of_scores].map(|x| Matrix::new(x, between, [lanes, 1]));
        dv.product(true, 1.0, p, dy_rows);
        dk.product(true, scale, ds, q_rows);
        dq.product(false, scale, ds.transposed(), k);
    }
}

/// `[B, S, K, D]` from `[B, S, H, D]`: what the heads of a group found, added in their order.
fn group_sums(of_heads: FloatTensor<Flex>, shape: Shape) -> FloatTensor<Flex> {
    let Shape { b, s, h, kv_heads, d, .. } = shape;
    if kv_heads == h || d == 0 {
        return of_heads;
    }
    let group = h / kv_heads;
    let mut sums = new(Dims::new([b, s, kv_heads, d]));
    let rows = (ELEMENTS / (group * d)).max(1);
    let of_heads = values(&of_heads);
    each(split([values_mut(&mut sums)], rows * d), |number, [sums]| {
        let of_heads = &of_heads[number * rows * group * d..];
        for (sum, of_heads) in sums.chunks_exact_mut(d).zip(of_heads.chunks_exact(group * d)) {
            sum.copy_from_slice(&of_heads[..d]);
            for of_head in of_heads[d..].chunks_exact(d) {
                sum.iter_mut().zip(of_head).for_each(|(sum, value)| *sum += value);
            }
        }
    });
    sums
}
