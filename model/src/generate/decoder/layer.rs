//! One block's step of one token.

use hearth_wgsl::decode::{
    CacheOptions, HostValues, KeyValueCache, gelu_in_place, multiply, relu_squared_in_place, rotate_in_place,
    swiglu_in_place,
};

use super::weights::{LinearWeights, NormWeights, ValueWeights, optional};
use crate::{Activation, Block, NormPlacement, Rotation, TransformerConfig, rope::Frequencies};

/// A block's parameters.
pub struct Layer {
    placement: NormPlacement,
    attention_norm: NormWeights,
    attention_post_norm: Option<NormWeights>,
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
    rotation: Option<Rotation>,
    query_scale: Option<f64>,
    mlp_norm: NormWeights,
    mlp_post_norm: Option<NormWeights>,
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
    /// What is normalised together, `[H, D]` at most.
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
    /// Those of a position, as [`Frame`](crate::Frame) makes them.
    pub fn new(frequencies: &Frequencies, position: usize, interleaved: bool) -> Self {
        let of = |f: fn(f64) -> f64| frequencies.at(position, f).collect();
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
            mixed: queries.clone(),
            head: queries,
            scores: Vec::new(),
            gate: f.clone(),
            up: f,
        }
    }
}

impl Layer {
    /// `None` where a parameter is none that a slice can be made of, there are experts, or attention is latent.
    pub fn new(block: &Block) -> Option<Self> {
        let (attention, mlp) = (block.attention.as_ref()?, block.mlp.as_ref()?);
        Some(Self {
            placement: block.norm_placement(),
            attention_norm: NormWeights::new(&block.attention_norm)?,
            attention_post_norm: optional(block.attention_post_norm.as_ref().map(NormWeights::new))?,
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
            rotation: attention.rotation(),
            query_scale: attention.query_scale(),
            mlp_norm: NormWeights::new(&block.mlp_norm)?,
            mlp_post_norm: optional(block.mlp_post_norm.as_ref().map(NormWeights::new))?,
            gate: optional(mlp.gate.as_ref().map(LinearWeights::new))?,
            up: LinearWeights::new(&mlp.up)?,
            down: LinearWeights::new(&mlp.down)?,
            activation: mlp.activation(),
        })
    }

    /// Adds to the residual stream `[C]` what the block does at the next position, that of token `id`, which it appends to the
    /// cache. `angles` are those of each [`Rotation`].
    pub fn step(
        &self,
        id: u32,
        stream: &mut [f32],
        angles: &[Option<Angles>; 2],
        cache: &mut KeyValueCache,
        room: &mut Room,
    ) {
        self.read(stream, &self.attention_norm, room);
        self.attend(id, angles, cache, room);
        self.give(&self.attention_norm, &self.attention_post_norm, room, stream);
        self.read(stream, &self.mlp_norm, room);
        self.mix_channels(room);
        self.give(&self.mlp_norm, &self.mlp_post_norm, room, stream);
    }

    fn read(&self, stream: &[f32], norm: &NormWeights, room: &mut Room) {
        match self.placement {
            NormPlacement::After => room.normed.copy_from_slice(stream),
            NormPlacement::Before | NormPlacement::Both => norm.apply(stream, &mut room.normed),
        }
    }

    fn give(&self, norm: &NormWeights, post_norm: &Option<NormWeights>, room: &mut Room, stream: &mut [f32]) {
        let norm = if self.placement == NormPlacement::After { Some(norm) } else { post_norm.as_ref() };
        match norm {
            Some(norm) => {
                norm.apply(&room.back, &mut room.normed);
                add(&room.normed, stream);
            }
            None => add(&room.back, stream),
        }
    }

    fn attend(&self, id: u32, angles: &[Option<Angles>; 2], cache: &mut KeyValueCache, room: &mut Room) {
        let Room { normed, back, query, key, value, vector, value_gates, mixed, head, scores, .. } = room;
        multiply(normed, [self.query.product(query), self.key.product(key), self.value.product(value)]);
        let angles = self.rotation.and_then(|rotation| angles[rotation as usize].as_ref());
        for (heads, norm) in [(&mut *query, &self.query_norm), (&mut *key, &self.key_norm)] {
            if let Some(norm) = norm {
                heads.chunks_exact_mut(norm.width()).for_each(|normed| {
                    head[..normed.len()].copy_from_slice(normed);
                    norm.apply(&head[..normed.len()], normed);
                });
            }
            if let Some(angles) = angles {
                angles.turn(heads);
            }
        }
        if let Some(scale) = self.query_scale {
            query.iter_mut().for_each(|it| *it *= scale as f32);
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
                match self.activation {
                    Activation::Geglu => {
                        gelu_in_place(gates);
                        up.iter_mut().zip(gates).for_each(|(up, gate)| *up *= *gate);
                    }
                    _ => swiglu_in_place(gates, up),
                }
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
