//! Causal self-attention with grouped key/value heads.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use hearth_wgsl::{AttentionOptions, attention, attention_weights, attention_with_sinks};

use crate::{
    Adapter, Frame, Initializer, Linear, Norm, QkNormOver, Rotation, TransformerConfig, ValueEmbedding,
    shape::{KernelSet, LayerShape, ParameterShape, Site, elements},
};

/// Attention over the positions up to each query's own (Vaswani et al. 2017), `H / K` query heads sharing one
/// key/value head (Ainslie et al. 2023, arXiv 2305.13245).
#[derive(Module, Debug)]
pub struct Attention {
    /// The projection to queries, `[C, H*D]`.
    pub query: Linear,
    /// The projection to keys, `[C, K*D]`.
    pub key: Linear,
    /// The projection to values, `[C, K*D]`.
    pub value: Linear,
    /// The projection of what the heads have mixed, `[H*D, C]`.
    pub output: Linear,
    /// RMS norm of queries over `D`, or over `H*D`, before the rotation; where `qk_norm` is set.
    pub query_norm: Option<Norm>,
    /// RMS norm of keys over `D`, or over `K*D`, before the rotation; where `qk_norm` is set.
    pub key_norm: Option<Norm>,
    /// A logit for each head that takes part in its softmax without a value, `[H]`, zeros at first; where `attention_sinks` is set.
    pub sinks: Option<Param<Tensor<1>>>,
    /// What is added to values by token; in some blocks, where `value_embeddings` is set.
    pub value_embedding: Option<ValueEmbedding>,
    #[module(skip)]
    head_width: usize,
    #[module(skip)]
    window: Option<usize>,
    #[module(skip)]
    softcap: Option<f64>,
    #[module(skip)]
    rotation: Option<Rotation>,
    #[module(skip)]
    query_scale: Option<f64>,
}

/// Keys and values of the positions already seen, with room for further ones, which are written in place.
#[derive(Clone, Debug)]
pub struct KeyValues {
    /// `[B, S, K, D]`, of which `length` positions are seen.
    key_bskd: Tensor<4>,
    /// As the keys.
    value_bskd: Tensor<4>,
    length: usize,
}

impl Attention {
    /// The attention of block `layer`, which says whether it has a window, with random weights.
    pub fn init(layer: usize, init: &mut Initializer) -> Self {
        let config = init.config();
        let (c, d, std) = (config.width, config.head_width(), config.init_std);
        let (queries, key_values) = (config.heads * d, config.kv_heads() * d);
        let bias = config.bias || config.qkv_bias;
        Self {
            query: Linear::with_bias(bias, [c, queries], std, init),
            key: Linear::with_bias(bias, [c, key_values], std, init),
            value: Linear::with_bias(bias, [c, key_values], std, init),
            output: Linear::init(queries, c, config.residual_std(), init),
            query_norm: config.qk_norm.then(|| Norm::init_heads(config.heads, init)),
            key_norm: config.qk_norm.then(|| Norm::init_heads(config.kv_heads(), init)),
            sinks: config.attention_sinks.then(|| init.constant([config.heads], 0.0)),
            value_embedding: config.has_value_embedding(layer).then(|| ValueEmbedding::init(init)),
            head_width: d,
            window: config.window(layer),
            softcap: config.attention_softcap,
            rotation: config.rotation(layer),
            query_scale: config.query_scale(),
        }
    }

    /// What the attention of block `layer` is made of and takes. Its tape has scaled queries, keys, values, the mixture, and the
    /// weights, or of these one number a row where a kernel makes them again.
    pub fn shape(config: &TransformerConfig, layer: usize, site: &Site) -> LayerShape {
        let (c, h, d) = (config.width, config.heads, config.head_width());
        let widths = widths(config);
        let projections = widths.iter().flat_map(|(name, from, to)| {
            Linear::parameters(name, [*from, *to], config.bias || config.qkv_bias && *name != "output", config)
        });
        let adapters = Adapter::shape(&widths, config, site);
        let normed = match config.qk_norm_over {
            QkNormOver::Head => [d; 2],
            QkNormOver::Heads => [h * d, config.kv_heads() * d],
        };
        let norms = ["query_norm.gamma", "key_norm.gamma"].into_iter().zip(normed).filter(|_| config.qk_norm);
        let [stream, q, kv] = [c, h * d, config.kv_heads() * d].map(|channels| site.positions(channels));
        let has_scores = site.kernels.has_scores(d);
        let scores = if has_scores { elements([site.rows, h, site.time, site.time]) } else { 0 };
        // A soft-cap and a column of sinks are each one more operation on scores, which keeps what it gave.
        let pieces = u64::from(config.attention_softcap.is_some()) + u64::from(config.attention_sinks);
        let kept = if has_scores { (1 + pieces) * scores } else { site.positions(h) };
        let sinks = config.attention_sinks.then(|| ParameterShape::new("sinks", [h]));
        let before_gate = if config.attention_sinks { q } else { 0 };
        let values = match config.has_value_embedding(layer) {
            true => ValueEmbedding::shape(config, site),
            false => LayerShape::default(),
        };
        // On the CPU each head of a group has gradients of its keys and values, before they are added.
        let of_heads = if site.kernels == KernelSet::Cpu && kv < q { 2 * q } else { 0 };
        let time = site.time as f64;
        let seen = config.window(layer).map_or(time, |window| time.min(window as f64));
        let products = 4.0 * time * seen * (h * d) as f64;
        // The backward pass over keys and values has four products of half the size in one dispatch.
        let halves = if has_scores { 1.0 } else { 2.0 };
        LayerShape {
            parameters: projections
                .chain(norms.map(|(name, width)| ParameterShape::new(name, [width])))
                .chain(sinks)
                .chain(values.within("value_embedding"))
                .collect(),
            flops: 2.0 * time * c as f64 * (2 * (h * d + config.kv_heads() * d)) as f64
                + products
                + values.flops
                + adapters.flops,
            tape: 2 * (q + kv) + if config.qk_norm { q + kv } else { 0 } + kept + values.tape + adapters.tape,
            forward: q + 2 * kv + (2 * scores).max(q + before_gate).max(values.forward).max(adapters.forward),
            backward: stream + adapters.backward + (2 * scores).max(q + 2 * kv + of_heads).max(values.backward),
            tensors: [
                values.tensors,
                vec![
                    ("the attention scores [B, H, T, T]", scores),
                    ("the residual stream [B, T, C]", stream.max(q)),
                    ("a projection of attention [C, H*D]", elements([c, h * d])),
                ],
            ]
            .concat(),
            longest: 2.0 * halves * elements([site.rows, h, site.time, site.time, d]) as f64,
            ..LayerShape::default()
        }
    }

    /// Maps `[B, T, C]` to `[B, T, C]`.
    ///
    /// With `cache`, the positions before these are read from it and these are added to it; `frame` says where they are.
    ///
    /// # Panics
    /// If there are value embeddings, and `frame` has no tokens to look them up for.
    pub fn forward(&self, x_btc: Tensor<3>, frame: &Frame, cache: Option<&mut Option<KeyValues>>) -> Tensor<3> {
        let [b, t, _] = x_btc.dims();
        let [q_bthd, k_btkd, v_btkd] = self.projected(x_btc, frame);
        let (k_bskd, v_bskd) = match cache {
            Some(cache) => KeyValues::extend(cache, k_btkd, v_btkd),
            None => (k_btkd, v_btkd),
        };
        let [_, _, h, d] = q_bthd.dims();
        let (documents, options) = (frame.documents.clone(), self.options(frame));
        let mixed_bthd = match &self.sinks {
            Some(sinks) => attention_with_sinks(q_bthd, k_bskd, v_bskd, sinks.val(), documents, options),
            None => attention(q_bthd, k_bskd, v_bskd, documents, options),
        };
        self.output.forward_keyed(mixed_bthd.reshape([b, t, h * d]), frame.adapter_key(2))
    }

    /// The same attention with adapters, as the initializer's configuration has them.
    pub(crate) fn adapted(self, init: &mut Initializer) -> Self {
        Self {
            query: self.query.adapted("query", init),
            key: self.key.adapted("key", init),
            value: self.value.adapted("value", init),
            output: self.output.adapted("output", init),
            ..self
        }
    }

    /// What the heads mix positions by: the weight `[B, H, T, T]` of each position (the last axis) for each query.
    pub fn weights(&self, x_btc: Tensor<3>, frame: &Frame) -> Tensor<4> {
        let [q_bthd, k_btkd, _] = self.projected(x_btc, frame);
        let sinks = self.sinks.as_ref().map(Param::val);
        attention_weights(q_bthd, k_btkd, sinks, frame.documents.clone(), self.options(frame))
    }

    fn options(&self, frame: &Frame) -> AttentionOptions {
        AttentionOptions { start: frame.start, window: self.window, softcap: self.softcap }
    }

    /// Queries, keys and values `[B, T, heads, D]`, normalised and rotated.
    fn projected(&self, x_btc: Tensor<3>, frame: &Frame) -> [Tensor<4>; 3] {
        let [q, k, v] =
            Linear::forward_all_keyed([&self.query, &self.key, &self.value], x_btc.clone(), frame.adapter_key(0));
        let [q, k, v] = [(q, &self.query_norm), (k, &self.key_norm), (v, &None)].map(|(y, norm)| self.heads(y, norm));
        let q = match self.query_scale {
            Some(scale) => q.mul_scalar(scale),
            None => q,
        };
        let v = match &self.value_embedding {
            Some(embedding) => {
                let tokens_bt = frame.tokens.clone();
                let tokens_bt =
                    tokens_bt.expect("attention: value embeddings need tokens: give them by Frame::with_tokens");
                embedding.forward(v, x_btc, tokens_bt)
            }
            None => v,
        };
        match self.rotation {
            Some(rotation) => {
                let (q, k) = frame.rope(rotation).apply(q, k);
                [q, k, v]
            }
            None => [q, k, v],
        }
    }

    /// Positions that a query sees, itself included; `None` for all before it.
    pub(crate) fn window(&self) -> Option<usize> {
        self.window
    }

    /// What bounds the scores, if anything does.
    pub(crate) fn softcap(&self) -> Option<f64> {
        self.softcap
    }

    /// How queries and keys rotate, if they do.
    pub(crate) fn rotation(&self) -> Option<Rotation> {
        self.rotation
    }

    /// What queries are multiplied by, if by anything.
    pub(crate) fn query_scale(&self) -> Option<f64> {
        self.query_scale
    }

    /// The channels of a projection as heads `[B, T, heads, D]`.
    fn heads(&self, y: Tensor<3>, norm: &Option<Norm>) -> Tensor<4> {
        let [b, t, channels] = y.dims();
        let heads = |y: Tensor<3>| y.reshape([b, t, channels / self.head_width, self.head_width]);
        match norm {
            Some(norm) if norm.width() == channels => heads(norm.forward(y)),
            Some(norm) => norm.forward(heads(y)),
            None => heads(y),
        }
    }
}

impl KeyValues {
    /// Keys and values `[B, S, K, D]` of positions that were seen.
    pub(crate) fn new(key_bskd: Tensor<4>, value_bskd: Tensor<4>) -> Self {
        let [_, length, ..] = key_bskd.dims();
        Self { key_bskd, value_bskd, length }
    }

    /// Forgets the positions behind the first `positions`.
    pub(crate) fn keep(&mut self, positions: usize) {
        self.length = self.length.min(positions);
    }

    /// The keys and the values, `[B, S, K, D]`.
    pub(crate) fn tensors(&self) -> (Tensor<4>, Tensor<4>) {
        let seen = |x: &Tensor<4>| x.clone().narrow(1, 0, self.length);
        (seen(&self.key_bskd), seen(&self.value_bskd))
    }

    /// Adds new positions to the cache and returns all of them, and what is behind them, which no query sees.
    pub(crate) fn extend(
        cache: &mut Option<Self>,
        key_btkd: Tensor<4>,
        value_btkd: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let [_, t, ..] = key_btkd.dims();
        let all = match cache.take() {
            Some(Self { key_bskd, value_bskd, length }) => Self {
                key_bskd: write(key_bskd, key_btkd, length),
                value_bskd: write(value_bskd, value_btkd, length),
                length: length + t,
            },
            None => Self { key_bskd: key_btkd, value_bskd: value_btkd, length: t },
        };
        let KeyValues { key_bskd, value_bskd, .. } = cache.insert(all).clone();
        (key_bskd, value_bskd)
    }
}

/// Each projection with its inputs and outputs.
fn widths(config: &TransformerConfig) -> [(&'static str, usize, usize); 4] {
    let (c, d) = (config.width, config.head_width());
    let (queries, key_values) = (config.heads * d, config.kv_heads() * d);
    [("query", c, queries), ("key", c, key_values), ("value", c, key_values), ("output", queries, c)]
}

/// Writes positions from `start` on, in place where there is room; else in twice the room that is needed, so that a long text is
/// seldom copied.
fn write(all_bskd: Tensor<4>, new_btkd: Tensor<4>, start: usize) -> Tensor<4> {
    let ([b, room, k, d], [_, t, ..]) = (all_bskd.dims(), new_btkd.dims());
    let end = start + t;
    let all_bskd = if end <= room {
        all_bskd
    } else {
        let wide = Tensor::zeros([b, 2 * end, k, d], (&all_bskd.device(), all_bskd.dtype()));
        wide.slice_assign([0..b, 0..start, 0..k, 0..d], all_bskd.narrow(1, 0, start))
    };
    all_bskd.slice_assign([0..b, start..end, 0..k, 0..d], new_btkd)
}
