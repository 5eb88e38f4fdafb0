//! Decoding on the CPU: a model's step of one token as calls on slices, without tensors on the way.
//!
//! The numbers are those of [`Transformer::next_logits`](crate::Transformer::next_logits) within rounding.

mod layer;
mod weights;

#[cfg(test)]
mod tests;

use hearth_wgsl::{
    decode::{HostValues, KeyValueCache, SHARED, multiply_rows, softcap_in_place},
    on_all_cores,
};

use self::{
    layer::{Angles, Layer, Room, add},
    weights::{NormWeights, TokenRows},
};
use crate::{KeyValues, RopeLayout, Rotation, Transformer, rope::Frequencies};

/// A model on the CPU with the keys and values of one sequence.
pub struct Decoder<'a> {
    model: &'a Transformer,
    embedding: TokenRows,
    positions: Option<HostValues>,
    layers: Vec<Layer>,
    norm: NormWeights,
    output: TokenRows,
    caches: Vec<KeyValueCache>,
    /// Of each [`Rotation`] that a block has.
    frequencies: [Option<Frequencies>; 2],
    /// Positions in the caches.
    length: usize,
    /// The residual stream, `[C]`.
    stream: Vec<f32>,
    room: Room,
}

impl<'a> Decoder<'a> {
    /// For sequences of up to `capacity` positions; `None` where the model is not on the CPU, not in f32, with autodiff, or a kernel is
    /// switched off.
    pub fn new(model: &'a Transformer, capacity: usize) -> Option<Self> {
        let config = model.config();
        let positions = model.embedding.positions.as_ref();
        let frequencies = |rotation: Rotation| {
            let wanted = (0..config.layers).any(|layer| config.rotation(layer) == Some(rotation));
            wanted.then(|| Frequencies::new(config, rotation))
        };
        // Each anew, for zeros that nobody has copied are pages that nobody has touched.
        let cache = |_| KeyValueCache::new(config.kv_heads(), config.head_width(), capacity);
        Some(Self {
            model,
            embedding: TokenRows::new(&model.embedding.tokens)?,
            positions: weights::optional(positions.map(|table| HostValues::of(table.val())))?,
            layers: model.blocks.iter().map(Layer::new).collect::<Option<_>>()?,
            norm: NormWeights::new(&model.head.norm)?,
            output: TokenRows::new(model.output())?,
            caches: (0..config.layers).map(cache).collect(),
            frequencies: [Rotation::Global, Rotation::Local].map(frequencies),
            length: 0,
            stream: vec![0.0; config.width],
            room: Room::new(config),
        })
    }

    /// Forgets what was read and takes the positions in `cache` instead, as
    /// [`Transformer::next_logits`](crate::Transformer::next_logits) left it; says whether it could.
    pub fn begin(&mut self, cache: &[Option<KeyValues>], length: usize) -> bool {
        self.length = length;
        self.caches.iter_mut().zip(cache).all(|(own, cache)| {
            own.clear();
            cache.as_ref().is_some_and(|cache| {
                let (keys, values) = cache.tensors();
                own.extend(keys, values)
            })
        })
    }

    /// What was read, as tensors: what [`Decoder::begin`] takes.
    pub fn key_values(&self) -> Vec<Option<KeyValues>> {
        let device = self.model.device();
        let of_layer = |cache: &KeyValueCache| {
            let (keys, values) = cache.tensors(&device);
            Some(KeyValues::new(keys, values))
        };
        self.caches.iter().map(of_layer).collect()
    }

    /// Forgets what was read behind the first `positions`.
    pub fn keep(&mut self, positions: usize) {
        self.length = self.length.min(positions);
        self.caches.iter_mut().for_each(|cache| cache.truncate(positions));
    }

    /// Reads one more token and writes the logits after it, `[V]`.
    ///
    /// # Panics
    /// If the id is outside of the vocabulary, or the capacity or the context is used up.
    pub fn step(&mut self, id: u32, logits: &mut [f32]) {
        // Threads are woken where they have something to share.
        let config = self.model.config();
        match config.width * config.ffn_width() < SHARED {
            true => self.run(id, logits),
            false => on_all_cores(&self.model.device(), || self.run(id, logits)),
        }
    }

    fn run(&mut self, id: u32, logits: &mut [f32]) {
        let (config, at) = (self.model.config(), self.length);
        self.embedding.copy(id, &mut self.stream);
        if config.embedding_scale != 1.0 {
            self.stream.iter_mut().for_each(|it| *it *= config.embedding_scale as f32);
        }
        if let Some(table) = &self.positions {
            add(&table[at * config.width..], &mut self.stream);
        }
        let interleaved = config.rope_layout == RopeLayout::Interleaved;
        let angles = [0, 1].map(|rotation: usize| {
            self.frequencies[rotation].as_ref().map(|frequencies| Angles::new(frequencies, at, interleaved))
        });
        for (layer, cache) in self.layers.iter().zip(&mut self.caches) {
            layer.step(id, &mut self.stream, &angles, cache, &mut self.room);
        }
        let normed = &mut self.room.normed;
        self.norm.apply(&self.stream, normed);
        let mut first = 0;
        for shard in self.output.shards() {
            let rows = shard.len() / normed.len();
            multiply_rows(normed, shard, &mut logits[first..first + rows]);
            first += rows;
        }
        if let Some(cap) = config.logit_softcap {
            softcap_in_place(logits, cap as f32);
        }
        self.length += 1;
    }
}
