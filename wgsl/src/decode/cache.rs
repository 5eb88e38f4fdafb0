//! Keys and values of the positions seen, and attention of one more to them.

use burn::tensor::{Device, Tensor, TensorData};

use super::{HostValues, SHARED, rows::add_weighted_rows, softcap_in_place};
use crate::cpu::{Vector, each, exp, fold, update, vectorized};

/// Keys and values of one layer and one sequence, written in place.
///
/// Keys lie channel by channel, so that the scores of many positions are made at once, and values position by position.
#[derive(Clone, Debug)]
pub struct KeyValueCache {
    /// `[K, D, capacity]`
    keys: Vec<f32>,
    /// `[K, capacity, D]`
    values: Vec<f32>,
    /// `D`
    head_width: usize,
    capacity: usize,
    length: usize,
}

/// What attention to a cache is besides its numbers; see [`AttentionOptions`](crate::AttentionOptions).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CacheOptions<'a> {
    /// How many of the last positions are seen; all of them where there is none.
    pub window: Option<usize>,
    /// Scores become `cap tanh(score / cap)`.
    pub softcap: Option<f64>,
    /// A logit a head that has no value, `[H]`.
    pub sinks: Option<&'a [f32]>,
}

impl KeyValueCache {
    /// For `capacity` positions of `kv_heads` heads of `head_width` channels; empty.
    pub fn new(kv_heads: usize, head_width: usize, capacity: usize) -> Self {
        let empty = || vec![0.0; kv_heads * head_width * capacity];
        Self { keys: empty(), values: empty(), head_width, capacity, length: 0 }
    }

    /// Forgets all positions.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    /// Forgets the positions behind the first `length`.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// The positions as tensors `[1, S, K, D]`, keys and values: what [`KeyValueCache::extend`] takes.
    pub fn tensors(&self, device: &Device) -> (Tensor<4>, Tensor<4>) {
        let Self { head_width: d, capacity, length, .. } = *self;
        let kv_heads = if capacity == 0 { 0 } else { self.keys.len() / (d * capacity) };
        let of_position = kv_heads * d;
        let (mut keys, mut values) = (vec![0.0; length * of_position], vec![0.0; length * of_position]);
        for (channel, of_channel) in self.keys.chunks_exact(capacity.max(1)).enumerate() {
            for (at, number) in of_channel[..length].iter().enumerate() {
                keys[at * of_position + channel] = *number;
            }
        }
        for (head, of_head) in self.values.chunks_exact((capacity * d).max(1)).enumerate() {
            for (at, value) in of_head[..length * d].chunks_exact(d).enumerate() {
                values[at * of_position + head * d..][..d].copy_from_slice(value);
            }
        }
        let tensor = |numbers| Tensor::from_data(TensorData::new(numbers, [1, length, kv_heads, d]), device);
        (tensor(keys), tensor(values))
    }

    /// Appends a position, whose key and value are `[K, D]`.
    ///
    /// # Panics
    /// If the cache is full, or was made for another `K D`.
    pub fn push(&mut self, key: &[f32], value: &[f32]) {
        let Self { head_width: d, capacity, length: at, .. } = *self;
        assert!(at < capacity, "decode: a cache of {capacity} positions is full");
        assert_eq!(
            (key.len() * capacity, value.len()),
            (self.keys.len(), key.len()),
            "decode: keys and values of a cache"
        );
        for (channel, number) in key.iter().enumerate() {
            self.keys[channel * capacity + at] = *number;
        }
        for (head, value) in value.chunks_exact(d).enumerate() {
            self.values[(head * capacity + at) * d..][..d].copy_from_slice(value);
        }
        self.length += 1;
    }

    /// Appends the positions of tensors `[1, S, K, D]`; says whether it could: they must be what [`HostValues`] takes.
    ///
    /// # Panics
    /// As [`KeyValueCache::push`].
    pub fn extend(&mut self, keys: Tensor<4>, values: Tensor<4>) -> bool {
        let [_, _, kv_heads, d] = keys.dims();
        let (Some(keys), Some(values)) = (HostValues::of(keys), HostValues::of(values)) else { return false };
        let of_position = kv_heads * d;
        keys.chunks_exact(of_position)
            .zip(values.chunks_exact(of_position))
            .for_each(|(key, value)| self.push(key, value));
        true
    }

    /// [`attention`](crate::attention()) of the queries `[H, D]` of the last position, into `y` `[H, D]`. `scores` is room that is
    /// used again.
    ///
    /// # Panics
    /// If the cache is empty, its heads do not divide those of `q`, or there is not one sink a head.
    pub fn attend(&self, q: &[f32], options: CacheOptions<'_>, scores: &mut Vec<f32>, y: &mut [f32]) {
        let Self { head_width: d, capacity, length, .. } = *self;
        let seen = options.window.map_or(length, |window| window.min(length));
        let scale = 1.0 / (d as f32).sqrt();
        let (heads, kv_heads) = (q.len() / d, self.keys.len() / (d * capacity));
        assert!(seen > 0 && heads.is_multiple_of(kv_heads), "decode: {heads} heads on {kv_heads} see {seen} positions");
        scores.clear();
        scores.resize(heads * seen, 0.0);
        let of_heads = scores.chunks_exact_mut(seen).zip(y.chunks_exact_mut(d)).enumerate();
        let of_heads = of_heads.map(|(head, (scores, y))| (head, scores, y));
        let attend = |(head, scores, y): (usize, &mut [f32], &mut [f32])| {
            let q = &q[head * d..][..d];
            let first = head / (heads / kv_heads) * d * capacity;
            let start = length - seen;
            add_weighted_rows(q, &self.keys[first + start..], capacity, scores);
            if let Some(cap) = options.softcap {
                // The cap is one of scores that are scaled: cap tanh(scale x / cap).
                softcap_in_place(scores, cap as f32 / scale);
            }
            let (largest, sum) = weights(scores, scale);
            let total = sum + options.sinks.map_or(0.0, |sinks| (sinks[head] - scale * largest).exp());
            y.fill(0.0);
            add_weighted_rows(scores, &self.values[first + start * d..], d, y);
            y.iter_mut().for_each(|y| *y /= total);
        };
        match heads * seen * d < SHARED {
            true => of_heads.for_each(attend),
            false => each(of_heads.collect(), |_, head| attend(head)),
        }
    }
}

vectorized! {
    /// `e^(scale (score - largest))` in the place of each score; returns the largest, and their sum.
    fn weights(simd: S, scores: &'a mut [f32], scale: f32) -> (f32, f32) {
        let none = f32::NEG_INFINITY;
        let [largest] = fold(simd, [&*scores], [none], [none], |[largest], [x]| [largest.max(x)]);
        let most = largest.largest();
        let largest = Vector::splat(simd, most);
        update(simd, [], [&mut *scores], |[], [x]| [exp((x - largest) * scale)]);
        let [total] = fold(simd, [&*scores], [0.0], [0.0], |[total], [x]| [total + x]);
        (most, total.sum())
    }
}
