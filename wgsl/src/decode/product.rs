//! A vector by weights, on this thread or on all.

use super::rows::{add_weighted_rows, products_with_rows};
use crate::cpu::{each, threads};

/// Numbers of a matrix from which on all threads share it: to share one takes as long as to read some thousand numbers.
pub const SHARED: usize = 1 << 18;

/// A multiple of every vector's width, so that a number is added up in the same way wherever strips are cut.
const STRIP: usize = 64;

/// `x weight + bias`, for an `x` `[C]`.
#[derive(Debug)]
pub struct Product<'a> {
    /// `[C, F]`, row by row.
    pub weight: &'a [f32],
    /// `[F]`
    pub bias: Option<&'a [f32]>,
    /// Where it goes, `[F]`.
    pub y: &'a mut [f32],
}

/// Makes several products of one vector, as of queries, keys and values.
///
/// # Panics
/// If the lengths do not fit one another.
pub fn multiply<const N: usize>(x: &[f32], products: [Product<'_>; N]) {
    for Product { weight, bias, y } in &products {
        assert_eq!(weight.len(), x.len() * y.len(), "decode: a weight of {} by {} numbers", x.len(), y.len());
        assert!(bias.is_none_or(|bias| bias.len() == y.len()), "decode: a bias for each of {} numbers", y.len());
    }
    let columns: usize = products.iter().map(|product| product.y.len()).sum();
    if columns * x.len() < SHARED {
        products.into_iter().for_each(|Product { weight, bias, y }| strip(x, weight, bias, (0, y.len()), y));
        return;
    }
    let length = columns.div_ceil(2 * threads()).next_multiple_of(STRIP);
    let mut strips = Vec::new();
    for Product { weight, bias, y } in products {
        let stride = y.len();
        strips.extend(y.chunks_mut(length).enumerate().map(|(at, y)| (weight, bias, (at * length, stride), y)));
    }
    each(strips, |_, (weight, bias, place, y)| strip(x, weight, bias, place, y));
}

/// Columns of a product, from `first` of `stride` on.
fn strip(x: &[f32], weight: &[f32], bias: Option<&[f32]>, (first, stride): (usize, usize), y: &mut [f32]) {
    match bias {
        Some(bias) => y.copy_from_slice(&bias[first..][..y.len()]),
        None => y.fill(0.0),
    }
    add_weighted_rows(x, weight.get(first..).unwrap_or_default(), stride, y);
}

/// The product of `x` `[C]` and each row of a matrix `[V, C]`, `[V]`: logits by the rows of a vocabulary.
///
/// # Panics
/// If the lengths do not fit one another, or `x` is empty.
pub fn multiply_rows(x: &[f32], matrix: &[f32], y: &mut [f32]) {
    assert_eq!(matrix.len(), x.len() * y.len(), "decode: {} rows of {} numbers", y.len(), x.len());
    if matrix.len() < SHARED {
        return products_with_rows(x, matrix, y);
    }
    // A multiple of the rows that are multiplied at once.
    let rows = y.len().div_ceil(4 * threads()).next_multiple_of(STRIP);
    let pieces = y.chunks_mut(rows).zip(matrix.chunks(rows * x.len())).collect();
    each(pieces, |_, (y, rows): (&mut [f32], _)| products_with_rows(x, rows, y));
}
