//! One block's step of one token.

use hearth_wgsl::decode::{
    CacheOptions, HostValues, KeyValueCache, gelu_in_place, multiply, relu_squared_in_place, rotate_in_place,
    swiglu_in_place,
};

use super::weights::{LinearWeights, NormWeights, ValueWeights, optional};
use crate::{Activation, Block, TransformerConfig};

/// A block's parameters.
pub struct Layer {
    attention_norm: NormWeights,
    query: LinearWeights,
    key: LinearWeights,
    value: LinearWeights,
    output: LinearWeights,
    query_norm: Option<NormWeights>,
    key_norm: Option<NormWeights>,
    sinks: Option<HostValues>,
    value_embedding: Option<ValueWeights>,
    window: Option<usize>,
    softcap: Option<f64>,
    mlp_norm: NormWeights,
    gate: Option<LinearWeights>,
    up: LinearWeights,
    down: LinearWeights,
    activation: Activation,
}

/// What a step leaves on its way, used again by every layer and every step.
pub struct Room {
    /// `[C]`
    pub normed: Vec<f32>,
    /// What goes back to the residual stream, `[C]`.
    back: Vec<f32>,
    /// `[H, D]`
    query: Vec<f32>,
    /// `[K, D]`
    key: Vec<f32>,
    /// `[K, D]`
    value: Vec<f32>,
    /// What is looked up for the token, `[K, D]`
    vector: Vec<f32>,
    /// `[K]`
    value_gates: Vec<f32>,
    /// `[H, D]`
    mixed: Vec<f32>,
    /// `[D]`
    head: Vec<f32>,
    scores: Vec<f32>,
    /// `[F]`
    gate: Vec<f32>,
    /// `[F]`
    up: Vec<f32>,
}

/// By what the pairs of a head turn at one position.
pub struct Angles {
    cosines: Vec<f32>,
    sines: Vec<f32>,
    interleaved: bool,
}

impl Angles {
    /// Those of a position, in f64 as [`Frame`](crate::Frame) makes them.
    pub fn new(frequencies: &[f64], position: usize, interleaved: bool) -> Self {
        let of = |f: fn(f64) -> f64| frequencies.iter().map(|by| f(position as f64 * by) as f32).collect();
        Self { cosines: of(f64::cos), sines: of(f64::sin), interleaved }
    }

    fn turn(&self, heads: &mut [f32]) {
        rotate_in_place(heads, &self.cosines, &self.sines, self.interleaved);
    }
}

impl Room {
    /// For a model's steps.
    pub fn new(config: &TransformerConfig) -> Self {
        let [c, d, f] = [config.width, config.head_width(), config.ffn_width()].map(|width| vec![0.0; width]);
        let [queries, keys] = [config.heads, config.kv_heads()].map(|heads| vec![0.0; heads * d.len()]);
        Self {
            normed: c.clone(),
            back: c,
            query: queries.clone(),
            key: keys.clone(),
            value: keys.clone(),
            vector: keys,
            value_gates: vec![0.0; config.kv_heads()],
            mixed: queries,
            head: d,
            scores: Vec::new(),
            gate: f.clone(),
            up: f,
        }
    }
}

impl Layer {
    /// `None` where a parameter is none that a slice can be made of, or there are experts.
    pub fn new(block: &Block) -> Option<Self> {
        let (attention, mlp) = (&block.attention, block.mlp.as_ref()?);
        Some(Self {
            attention_norm: NormWeights::new(&block.attention_norm)?,
            query: LinearWeights::new(&attention.query)?,
            key: LinearWeights::new(&attention.key)?,
            value: LinearWeights::new(&attention.value)?,
            output: LinearWeights::new(&attention.output)?,
            query_norm: optional(attention.query_norm.as_ref().map(NormWeights::new))?,
            key_norm: optional(attention.key_norm.as_ref().map(NormWeights::new))?,
            sinks: optional(attention.sinks.as_ref().map(|sinks| HostValues::of(sinks.val())))?,
            value_embedding: optional(attention.value_embedding.as_ref().map(ValueWeights::new))?,
            window: attention.window(),
            softcap: attention.softcap(),
            mlp_norm: NormWeights::new(&block.mlp_norm)?,
            gate: optional(mlp.gate.as_ref().map(LinearWeights::new))?,
            up: LinearWeights::new(&mlp.up)?,
            down: LinearWeights::new(&mlp.down)?,
            activation: mlp.activation(),
        })
    }

    /// Adds to the residual stream `[C]` what the block does at the next position, that of token `id`, which it appends to the
    /// cache.
    pub fn step(
        &self,
        id: u32,
        stream: &mut [f32],
        angles: Option<&Angles>,
        cache: &mut KeyValueCache,
        room: &mut Room,
    ) {
        self.attention_norm.apply(stream, &mut room.normed);
        self.attend(id, angles, cache, room);
        add(&room.back, stream);
        self.mlp_norm.apply(stream, &mut room.normed);
        self.mix_channels(room);
        add(&room.back, stream);
    }

    fn attend(&self, id: u32, angles: Option<&Angles>, cache: &mut KeyValueCache, room: &mut Room) {
        let Room { normed, back, query, key, value, vector, value_gates, mixed, head, scores, .. } = room;
        multiply(normed, [self.query.product(query), self.key.product(key), self.value.product(value)]);
        for (heads, norm) in [(&mut *query, &self.query_norm), (&mut *key, &self.key_norm)] {
            if let Some(norm) = norm {
                heads.chunks_exact_mut(head.len()).for_each(|normed| {
                    head.copy_from_slice(normed);
                    norm.apply(head, normed);
                });
            }
            if let Some(angles) = angles {
                angles.turn(heads);
            }
        }
        if let Some(embedding) = &self.value_embedding {
            embedding.add(id, normed, value_gates, vector, value);
        }
        cache.push(key, value);
        let options = CacheOptions { window: self.window, softcap: self.softcap, sinks: self.sinks.as_deref() };
        cache.attend(query, options, scores, mixed);
        multiply(mixed, [self.output.product(back)]);
    }

    fn mix_channels(&self, room: &mut Room) {
        let Room { normed, back, gate: gates, up, .. } = room;
        match &self.gate {
            Some(gate) => {
                multiply(normed, [gate.product(gates), self.up.product(up)]);
                swiglu_in_place(gates, up);
            }
            None => {
                multiply(normed, [self.up.product(up)]);
                match self.activation {
                    Activation::ReluSquared => relu_squared_in_place(up),
                    _ => gelu_in_place(up),
                }
            }
        }
        multiply(up, [self.down.product(back)]);
    }
}

/// Adds as many numbers as `sum` has.
pub fn add(x: &[f32], sum: &mut [f32]) {
    x[..sum.len()].iter().zip(sum).for_each(|(x, sum)| *sum += x);
}
