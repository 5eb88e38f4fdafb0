//! The same in plain Burn operations: right everywhere, with all scores in memory.

use burn::tensor::{Int, Tensor};

use super::AttentionOptions;
use crate::softmax;

/// Added to a masked score. Finite, because WGSL does not promise infinities; its exponential is 0 all the same.
const MASKED: f32 = -1e30;

/// See [`attention`](super::attention).
pub fn reference(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    sinks: Option<Tensor<1>>,
    documents: Option<Tensor<2, Int>>,
    options: AttentionOptions,
) -> Tensor<4> {
    let ([b, t, h, d], [_, s, kv_heads, _]) = (q.dims(), k.dims());
    let (groups, rows) = (b * kv_heads, h / kv_heads * t);
    let weights = weights(q, k, sinks, documents, options).reshape([groups, rows, s]);
    let mixed = weights.matmul(v.swap_dims(1, 2).reshape([groups, s, d]));
    mixed.reshape([b, h, t, d]).swap_dims(1, 2)
}

/// See [`attention_weights`](super::attention_weights).
pub fn weights(
    q: Tensor<4>,
    k: Tensor<4>,
    sinks: Option<Tensor<1>>,
    documents: Option<Tensor<2, Int>>,
    options: AttentionOptions,
) -> Tensor<4> {
    let ([b, t, h, d], [_, s, kv_heads, _]) = (q.dims(), k.dims());
    let mask = mask(&q, s, documents, options);
    // The query heads of a group stand one below the other, so that their shared keys need not be repeated.
    // The reshape of the keys also stands between their transpose and what made them: Burn 0.22.1's fusion gets
    // the gradient wrong where a product's transposed output is used twice and has a side of 1 (T = 1 here).
    let (groups, rows) = (b * kv_heads, h / kv_heads * t);
    let q = (q.swap_dims(1, 2) * (d as f64).sqrt().recip()).reshape([groups, rows, d]);
    let scores = q.matmul(k.swap_dims(1, 2).reshape([groups, s, d]).swap_dims(1, 2));
    let scores = match options.softcap {
        Some(cap) => (scores / cap).tanh() * cap,
        None => scores,
    };
    let scores = scores.reshape([b, h, t, s]) + mask;
    match sinks {
        // One more column, whose weight nothing gets.
        Some(sinks) => {
            let column = sinks.reshape([1, h, 1, 1]).expand([b, h, t, 1]);
            softmax(Tensor::cat(vec![scores, column], 3)).narrow(3, 0, s)
        }
        None => softmax(scores),
    }
}

/// `[B, 1, T, S]`, or `[1, 1, T, S]` without documents.
fn mask(q: &Tensor<4>, keys: usize, documents: Option<Tensor<2, Int>>, options: AttentionOptions) -> Tensor<4> {
    let [b, t, ..] = q.dims();
    let device = &q.device().without_autodiff();
    let positions = |start: usize, end: usize| Tensor::<1, Int>::arange(start as i64..end as i64, device);
    let queries = positions(options.start, options.start + t).reshape([t, 1]).expand([t, keys]);
    let key = positions(0, keys).reshape([1, keys]).expand([t, keys]);
    let mut hidden = key.clone().greater(queries.clone()).float();
    if let Some(window) = options.window {
        hidden = hidden + (key + window as i64).lower_equal(queries).float();
    }
    let hidden = hidden.reshape([1, 1, t, keys]);
    let hidden = match documents {
        None => hidden,
        Some(documents) => {
            let own = documents.clone().narrow(1, options.start, t).reshape([b, t, 1]).expand([b, t, keys]);
            let others = own.not_equal(documents.reshape([b, 1, keys]).expand([b, t, keys]));
            hidden + others.float().reshape([b, 1, t, keys])
        }
    };
    (hidden * MASKED).cast(q.dtype())
}
