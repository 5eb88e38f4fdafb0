//! The CPU kernels: the logits are read from memory once for the statistics, and once to be turned into their gradient.

use burn::{
    backend::{
        Flex, TensorMetadata,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::Shape,
};

use super::{CrossEntropyOps, LogitRows};
use crate::cpu::{
    ELEMENTS, Simd, Vector, contiguous, each, exp, fold, integers, map, new, piece, split, tanh, update, values,
    values_mut, vectorized,
};

/// Columns of a piece of a row: it is read twice, and stays in a core's first cache meanwhile.
const PIECE: usize = 4096;
/// Not minus infinity, so that `exp(logit - largest)` is 0 and not NaN where all logits of a piece are that.
const LOWEST: f32 = f32::MIN;

#[inline(always)]
fn capped<S: Simd>(logit: Vector<S>, cap: f32) -> Vector<S> {
    tanh(logit / cap) * cap
}

/// The slope of [`capped`].
#[inline(always)]
fn slope<S: Simd>(logit: Vector<S>, cap: f32) -> Vector<S> {
    let bent = tanh(logit / cap);
    (-bent).mul_add(bent, Vector::splat(bent.simd(), 1.0))
}

vectorized! {
    /// The largest logit and the sum of `exp(logit - largest)` of pieces of rows, from the piece `number` on. A NaN among
    /// the logits makes the sum NaN.
    fn stats_of_pieces(simd: S, logits: &'a [f32], columns: usize, softcap: Option<f32>, number: usize, found: &'a mut [[f32; 2]]) -> () {
        let pieces = columns.div_ceil(PIECE);
        let mut bent = vec![0.0; if softcap.is_some() { columns.min(PIECE) } else { 0 }];
        for (number, found) in (number..).zip(found) {
            let row = piece(logits, number / pieces, columns);
            let mut x = piece(row, number % pieces, PIECE);
            if let Some(cap) = softcap {
                map(simd, [x], [&mut bent[..x.len()]], |[x]| [capped(x, cap)]);
                x = &bent[..x.len()];
            }
            let [largest] = fold(simd, [x], [LOWEST], [LOWEST], |[largest], [x]| [x.max(largest)]);
            let largest = largest.largest();
            let [total] = fold(simd, [x], [f32::NEG_INFINITY], [0.0], |[total], [x]| [total + exp(x - largest)]);
            *found = [largest, total.sum()];
        }
    }

    fn capped_logit(simd: S, logit: f32, cap: f32) -> f32 {
        capped(Vector::splat(simd, logit), cap).largest()
    }

    /// Turns logits, of which the first is element `at` of all, into their gradients.
    fn to_gradients(simd: S, at: usize, rows: Rows<'a>, logits: &'a mut [f32]) -> () {
        let (mut at, mut rest) = (at, logits);
        while !rest.is_empty() {
            let (row, column) = (at / rows.columns, at % rows.columns);
            let (x, behind) = rest.split_at_mut(rest.len().min(rows.columns - column));
            (at, rest) = (at + x.len(), behind);
            let target = place(rows.targets[row], rows.first + column, x.len());
            let of_target = target.map(|target| rows.scale * rows.softcap.map_or(1.0, |cap| {
                slope(Vector::splat(simd, x[target]), cap).largest()
            }));
            let (lse, weight) = (rows.lse[row], rows.weights[row]);
            match rows.softcap {
                None => update(simd, [], [&mut *x], |[], [x]| [exp(x - lse) * weight]),
                Some(cap) => update(simd, [], [&mut *x], |[], [x]| {
                    [exp(capped(x, cap) - lse) * weight * slope(x, cap)]
                }),
            }
            if let (Some(target), Some(of_target)) = (target, of_target) {
                x[target] -= of_target;
            }
        }
    }
}

/// What [`to_gradients`] needs of all rows.
#[derive(Clone, Copy)]
struct Rows<'a> {
    columns: usize,
    targets: &'a [i64],
    lse: &'a [f32],
    weights: &'a [f32],
    first: usize,
    softcap: Option<f32>,
    scale: f32,
}

/// Where the target is among `count` ids from `first` on.
fn place(target: i64, first: usize, count: usize) -> Option<usize> {
    usize::try_from(target).ok()?.checked_sub(first).filter(|place| *place < count)
}

impl CrossEntropyOps for Flex {
    fn logit_stats(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        first: usize,
        softcap: Option<f64>,
        _subgroups: bool,
    ) -> FloatTensor<Self> {
        let (logits, targets, softcap) = (contiguous(logits), integers(targets), softcap.map(|cap| cap as f32));
        let ([rows, columns], x) = (logits.shape().dims(), values(&logits));
        // Pieces of rows, so that few long rows go to all cores too.
        let pieces = columns.div_ceil(PIECE);
        let mut parts = vec![[0.0; 2]; rows * pieces];
        let of_task = (ELEMENTS / columns.min(PIECE)).max(1);
        each(parts.chunks_mut(of_task).collect(), |number, parts| {
            stats_of_pieces(x, columns, softcap, number * of_task, parts);
        });
        let mut found = new(Shape::new([rows, 3]));
        let of_rows = values_mut(&mut found).chunks_exact_mut(3).zip(parts.chunks(pieces)).zip(&targets);
        for (row, ((found, parts), target)) in of_rows.enumerate() {
            let largest = parts.iter().fold(LOWEST, |largest, [of_piece, _]| largest.max(*of_piece));
            let total = parts.iter().map(|[of_piece, total]| total * (of_piece - largest).exp()).sum();
            let of_target = place(*target, first, columns).map_or(0.0, |column| {
                let logit = x[row * columns + column];
                softcap.map_or(logit, |cap| capped_logit(logit, cap))
            });
            found.copy_from_slice(&[largest, total, of_target]);
        }
        found
    }

    fn logit_gradients(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
        rows: LogitRows<Self>,
        first: usize,
        softcap: Option<f64>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let [logits, lse, weights] = [logits, rows.lse, rows.weights].map(contiguous);
        let ([_, columns], targets) = (logits.shape().dims(), integers(targets));
        // In the logits' own memory, where nothing else holds them.
        let (source, mut gradients) = match logits.is_unique() {
            true => (None, logits),
            false => (Some(values(&logits)), new(logits.shape())),
        };
        let (softcap, scale) = (softcap.map(|cap| cap as f32), scale as f32);
        let (lse, weights) = (values(&lse), values(&weights));
        let rows = Rows { columns, targets: &targets, lse, weights, first, softcap, scale };
        each(split([values_mut(&mut gradients)], ELEMENTS), |number, [x]| {
            if let Some(source) = source {
                x.copy_from_slice(piece(source, number, ELEMENTS));
            }
            to_gradients(number * ELEMENTS, rows, x);
        });
        gradients
    }
}
