//! How the work is cut, and which keys each query sees.

use std::ops::Range;

use crate::{AttentionOptions, cpu::vectorized};

/// Queries of a block at most. Products with keys that a query does not see are wasted: of more there are more of these; fewer
/// leave less work a product. Of 16, 32, 48, 64 and 128 none is faster at all sizes from 64 to 1024.
const ROWS: usize = 32;
/// Blocks of fewer queries are as wide as some number of these, a vector of any processor.
const VECTOR: usize = 16;

/// All sizes.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub b: usize,
    pub t: usize,
    pub s: usize,
    pub h: usize,
    pub kv_heads: usize,
    pub d: usize,
    pub options: AttentionOptions,
}

impl Shape {
    /// Queries that lie side by side in a block's scores: what has no query there is never read.
    pub fn lanes(&self) -> usize {
        self.t.next_multiple_of(VECTOR).min(ROWS)
    }

    /// Scores are products times this.
    pub fn scale(&self) -> f32 {
        (self.d as f64).sqrt().recip() as f32
    }

    /// Most keys that a block sees.
    pub fn most_keys(&self) -> usize {
        let window = self.options.window.unwrap_or(self.s);
        self.s.min(window.saturating_add(self.lanes()))
    }

    /// The head of keys and values that a head of queries has.
    pub fn kv_head(&self, head: usize) -> usize {
        head / (self.h / self.kv_heads)
    }

    /// The blocks of a head, one after the other.
    pub fn blocks(&self) -> usize {
        self.t.div_ceil(self.lanes())
    }

    /// One of them.
    pub fn block(&self, number: usize) -> Block {
        let first = number * self.lanes();
        let rows = first..(first + self.lanes()).min(self.t);
        let position = self.options.start + first;
        let begin = self.options.window.map_or(0, |window| (position + 1).saturating_sub(window));
        let keys = begin..self.options.start + rows.end;
        Block { rows, keys, position, window: self.options.window.unwrap_or(usize::MAX), lanes: self.lanes() }
    }
}

/// Queries of a head, and the keys that one of them sees at least.
#[derive(Clone, Debug)]
pub struct Block {
    pub rows: Range<usize>,
    pub keys: Range<usize>,
    /// Position of the first query.
    position: usize,
    window: usize,
    lanes: usize,
}

impl Block {
    /// Makes the scores `[keys, LANES]` of what a query does not see minus infinity; `documents` are a batch's, if they
    /// count.
    pub fn hide(&self, scores: &mut [f32], documents: &[i32]) {
        let last = self.position + self.rows.len() - 1;
        // Between these are the keys that all see.
        let (from_all, to_all) = ((last + 1).saturating_sub(self.window), self.position + 1);
        for (key, scores) in self.keys.clone().zip(scores.chunks_exact_mut(self.lanes)) {
            if key >= to_all {
                scores[..key - self.position].fill(f32::NEG_INFINITY);
            }
            if key < from_all {
                // The first query that no longer sees it.
                let lane = (key + self.window).saturating_sub(self.position);
                scores[lane.min(self.lanes)..].fill(f32::NEG_INFINITY);
            }
        }
        if !documents.is_empty() {
            let own = &documents[self.position..][..self.rows.len()];
            hide_others(scores, self.lanes, own, &documents[self.keys.clone()]);
        }
    }
}

vectorized! {
    fn hide_others(_simd: S, scores: &'a mut [f32], lanes: usize, own: &'a [i32], keys: &'a [i32]) -> () {
        for (scores, key) in scores.chunks_exact_mut(lanes).zip(keys) {
            for (score, own) in scores.iter_mut().zip(own) {
                *score = if own == key { *score } else { f32::NEG_INFINITY };
            }
        }
    }
}
