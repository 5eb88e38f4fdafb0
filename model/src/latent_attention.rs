//! Attention whose keys and values are made of one small vector a position.

use burn::{module::Module, tensor::Tensor};
use hearth_wgsl::{AttentionOptions, attention, attention_weights};

use crate::{
    Adapter, Frame, Initializer, KeyValues, Linear, Norm, Rotation, TransformerConfig,
    shape::{LayerShape, ParameterShape, Site, elements},
};

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): keys and values of all heads are projections of a latent
/// vector of `R` channels; of each head `D` channels of queries and keys do not rotate, and `P` rotate, whose keys all heads
/// share. The values have `E` channels a head.
///
/// The cache of a text that goes on has keys and values by heads, not the latent vector.
#[derive(Module, Debug)]
pub struct LatentAttention {
    /// The projection to queries, `[C, H*(D+P)]`, or from their latent vector.
    pub query: Linear,
    /// The projection to the queries' latent vector, `[C, Q]`; where `query_rank` is set.
    pub query_down: Option<Linear>,
    /// RMS norm of the queries' latent vector.
    pub query_norm: Option<Norm>,
    /// The projection to the latent vector of keys and values and to the keys that rotate, `[C, R+P]`.
    pub key_value_down: Linear,
    /// RMS norm of the latent vector.
    pub key_value_norm: Norm,
    /// The projection of that to keys that do not rotate and values, `[R, H*(D+E)]`.
    pub key_value: Linear,
    /// The projection of what the heads have mixed, `[H*E, C]`.
    pub output: Linear,
    #[module(skip)]
    widths: Widths,
    #[module(skip)]
    window: Option<usize>,
    #[module(skip)]
    softcap: Option<f64>,
}

/// Channels.
#[derive(Clone, Copy, Debug)]
struct Widths {
    heads: usize,
    /// `D`.
    still: usize,
    /// `P`.
    rotating: usize,
    /// `E`.
    value: usize,
    /// `R`.
    latent: usize,
    /// `Q`; 0 without.
    query: usize,
}

impl Widths {
    fn of(config: &TransformerConfig) -> Self {
        Self {
            heads: config.heads,
            still: config.head_width(),
            rotating: config.rope_head_width,
            value: config.value_head_width(),
            latent: config.kv_rank,
            query: config.query_rank,
        }
    }

    /// Channels of a head's queries and keys.
    fn head(&self) -> usize {
        self.still + self.rotating
    }

    /// Each projection with its inputs and outputs, in the order of the module's fields.
    fn projections(&self, width: usize) -> Vec<(&'static str, usize, usize)> {
        let Self { heads, still, value, latent, query, rotating } = *self;
        let from = if query > 0 { query } else { width };
        let down = (query > 0).then_some(("query_down", width, query));
        let rest = [
            ("key_value_down", width, latent + rotating),
            ("key_value", latent, heads * (still + value)),
            ("output", heads * value, width),
        ];
        [("query", from, heads * self.head())].into_iter().chain(down).chain(rest).collect()
    }
}

impl LatentAttention {
    /// The attention of block `layer`, with random weights.
    pub fn init(layer: usize, init: &mut Initializer) -> Self {
        let config = init.config();
        let widths = Widths::of(config);
        let mut projections: Vec<(&str, Linear)> = Vec::new();
        for (name, from, to) in widths.projections(config.width) {
            let std = if name == "output" { config.residual_std() } else { config.init_std };
            projections.push((name, Linear::init(from, to, std, init)));
        }
        let mut take = |name: &str| {
            let at = projections.iter().position(|(it, _)| *it == name)?;
            Some(projections.swap_remove(at).1)
        };
        let mut must = |name: &str| take(name).expect("it is among them");
        let [query, key_value_down, key_value, output] =
            ["query", "key_value_down", "key_value", "output"].map(&mut must);
        Self {
            query,
            query_down: take("query_down"),
            query_norm: (widths.query > 0).then(|| Norm::init_rms(widths.query, init)),
            key_value_down,
            key_value_norm: Norm::init_rms(widths.latent, init),
            key_value,
            output,
            widths,
            window: config.window(layer),
            softcap: config.attention_softcap,
        }
    }

    /// What the attention of block `layer` is made of and takes. Values are as wide as keys where they are mixed, by zeros.
    pub fn shape(config: &TransformerConfig, layer: usize, site: &Site) -> LayerShape {
        let widths = Widths::of(config);
        let (h, d) = (widths.heads, widths.head());
        let projections = widths.projections(config.width);
        let weights = |name: &str| {
            let (_, from, to) = projections.iter().find(|(it, ..)| *it == name).copied().unwrap_or_default();
            Linear::parameters(name, [from, to], config.bias, config)
        };
        let gamma = |name: &str, width: usize| vec![ParameterShape::new(&format!("{name}.gamma"), [width])];
        let mut parameters = weights("query");
        if widths.query > 0 {
            parameters.extend([weights("query_down"), gamma("query_norm", widths.query)].concat());
        }
        parameters.extend([weights("key_value_down"), gamma("key_value_norm", widths.latent)].concat());
        parameters.extend([weights("key_value"), weights("output")].concat());
        let adapters = Adapter::shape(&projections, config, site);
        let time = site.time as f64;
        let seen = config.window(layer).map_or(time, |window| time.min(window as f64));
        let products = 2.0 * time * seen * (h * (d + widths.value)) as f64;
        let of_weights: f64 = projections.iter().map(|(_, from, to)| 2.0 * time * *from as f64 * *to as f64).sum();
        let [stream, heads, latent, query] = [config.width, h * d, widths.latent + widths.rotating, widths.query]
            .map(|channels| site.positions(channels));
        let key_values = site.positions(h * (widths.still + widths.value));
        let has_scores = site.kernels.has_scores(d);
        let scores = if has_scores { elements([site.rows, h, site.time, site.time]) } else { 0 };
        let kept = if has_scores { scores } else { site.positions(h) };
        LayerShape {
            parameters,
            flops: of_weights + products + adapters.flops,
            // Queries, keys and values as they are mixed, what they come to, latent vectors before and after their norms.
            tape: 5 * heads + 2 * latent + 2 * query + kept + adapters.tape,
            forward: 4 * heads + (2 * scores).max(heads).max(adapters.forward),
            // Behind the attention's own, the gradients of what was cut in two, which are queries, keys, and keys with values: of
            // each both parts among zeros, and their sum.
            backward: stream + adapters.backward + (2 * scores).max(4 * heads) + 3 * (2 * heads + key_values),
            tensors: vec![
                ("the attention scores [B, H, T, T]", scores),
                ("the residual stream [B, T, C]", stream.max(heads)),
                ("a projection of attention [C, H*D]", elements([config.width.max(widths.latent), h * d])),
            ],
            longest: 4.0 * elements([site.rows, h, site.time, site.time, d]) as f64,
            ..LayerShape::default()
        }
    }

    /// As [`Attention::forward`](crate::Attention::forward).
    pub fn forward(&self, x_btc: Tensor<3>, frame: &Frame, cache: Option<&mut Option<KeyValues>>) -> Tensor<3> {
        let ([b, t, _], Widths { heads, value, .. }) = (x_btc.dims(), self.widths);
        let [q_bthd, k_bthd, v_bthd] = self.projected(x_btc, frame);
        let (k_bshd, v_bshd) = match cache {
            Some(cache) => KeyValues::extend(cache, k_bthd, v_bthd),
            None => (k_bthd, v_bthd),
        };
        let mixed_bthd = attention(q_bthd, k_bshd, v_bshd, frame.documents.clone(), self.options(frame));
        let mixed_bte = mixed_bthd.narrow(3, 0, value).reshape([b, t, heads * value]);
        self.output.forward_keyed(mixed_bte, frame.adapter_key(2))
    }

    /// The same attention with adapters, as the initializer's configuration has them.
    pub(crate) fn adapted(self, init: &mut Initializer) -> Self {
        Self {
            query: self.query.adapted("query", init),
            query_down: self.query_down.map(|it| it.adapted("query_down", init)),
            key_value_down: self.key_value_down.adapted("key_value_down", init),
            key_value: self.key_value.adapted("key_value", init),
            output: self.output.adapted("output", init),
            ..self
        }
    }

    /// As [`Attention::weights`](crate::Attention::weights).
    pub fn weights(&self, x_btc: Tensor<3>, frame: &Frame) -> Tensor<4> {
        let [q_bthd, k_bthd, _] = self.projected(x_btc, frame);
        attention_weights(q_bthd, k_bthd, None, frame.documents.clone(), self.options(frame))
    }

    fn options(&self, frame: &Frame) -> AttentionOptions {
        AttentionOptions { start: frame.start, window: self.window, softcap: self.softcap }
    }

    /// Queries, keys and values `[B, T, H, D+P]`; the values with zeros behind their own channels.
    fn projected(&self, x_btc: Tensor<3>, frame: &Frame) -> [Tensor<4>; 3] {
        let ([b, t, _], Widths { heads, still, rotating, value, latent, .. }) = (x_btc.dims(), self.widths);
        let key = |projection: u64| frame.adapter_key(0).map(|key| key.fold_in(projection));
        let queries = match (&self.query_down, &self.query_norm) {
            (Some(down), Some(norm)) => norm.forward(down.forward_keyed(x_btc.clone(), key(0))),
            _ => x_btc.clone(),
        };
        let q_bthd = self.query.forward_keyed(queries, key(1)).reshape([b, t, heads, still + rotating]);
        let down = self.key_value_down.forward_keyed(x_btc, key(2));
        let latent_btr = self.key_value_norm.forward(down.clone().narrow(2, 0, latent));
        let k_bt1p = down.narrow(2, latent, rotating).reshape([b, t, 1, rotating]);
        let kv_bthd = self.key_value.forward_keyed(latent_btr, key(3)).reshape([b, t, heads, still + value]);
        let q_bthp = q_bthd.clone().narrow(3, still, rotating);
        let rope = frame.rope(Rotation::Global);
        let (q_bthp, k_bt1p) = rope.apply(q_bthp, k_bt1p);
        let q_bthd = Tensor::cat(vec![q_bthd.narrow(3, 0, still), q_bthp], 3);
        let k_bthp = k_bt1p.expand([b, t, heads, rotating]);
        let k_bthd = Tensor::cat(vec![kv_bthd.clone().narrow(3, 0, still), k_bthp], 3);
        let v_bthe = kv_bthd.narrow(3, still, value);
        let zeros = Tensor::zeros([b, t, heads, still + rotating - value], (&v_bthe.device(), v_bthe.dtype()));
        [q_bthd, k_bthd, Tensor::cat(vec![v_bthe, zeros], 3)]
    }
}
