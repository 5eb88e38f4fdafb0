//! Causal self-attention with grouped key/value heads.

use burn::{module::Module, nn::Linear, tensor::Tensor};
use hearth_wgsl::softmax;

use crate::{Frame, Norm, TransformerConfig, init::Initializer};

/// Attention over the positions up to each query's own (Vaswani et al. 2017), `H / K` query heads sharing one
/// key/value head (Ainslie et al. 2023, arXiv 2305.13245).
#[derive(Module, Debug)]
pub struct Attention {
    /// `[C, H*D]`
    pub query: Linear,
    /// `[C, K*D]`
    pub key: Linear,
    /// `[C, K*D]`
    pub value: Linear,
    /// `[H*D, C]`
    pub output: Linear,
    /// RMS norm over `D`, before the rotation.
    pub query_norm: Option<Norm>,
    /// RMS norm over `D`, before the rotation.
    pub key_norm: Option<Norm>,
    #[module(skip)]
    head_width: usize,
    #[module(skip)]
    window: Option<usize>,
}

/// Keys and values of the positions already seen, each `[B, K, S, D]`.
#[derive(Clone, Debug)]
pub struct KeyValues {
    key_bksd: Tensor<4>,
    value_bksd: Tensor<4>,
}

impl Attention {
    pub(crate) fn init(config: &TransformerConfig, layer: usize, residual_std: f64, init: &mut Initializer) -> Self {
        let (c, d, std) = (config.width, config.head_width(), config.init_std);
        let (queries, key_values) = (config.heads * d, config.kv_heads() * d);
        Self {
            query: init.linear(c, queries, config.bias, std),
            key: init.linear(c, key_values, config.bias, std),
            value: init.linear(c, key_values, config.bias, std),
            output: init.linear(queries, c, config.bias, residual_std),
            query_norm: config.qk_norm.then(|| Norm::of_head(config, init)),
            key_norm: config.qk_norm.then(|| Norm::of_head(config, init)),
            head_width: d,
            window: config.window(layer),
        }
    }

    /// Maps `[B, T, C]` to `[B, T, C]`.
    ///
    /// With `cache`, the positions before these are read from it and these are added to it.
    pub fn forward(&self, x_btc: Tensor<3>, frame: &Frame, cache: Option<&mut Option<KeyValues>>) -> Tensor<3> {
        let [b, t, _] = x_btc.dims();
        let d = self.head_width;
        let q = self.heads(&self.query, &self.query_norm, x_btc.clone());
        let k = self.heads(&self.key, &self.key_norm, x_btc.clone());
        let v_bktd = self.heads(&self.value, &None, x_btc);
        let (q_bhtd, k_bktd) = match &frame.rope {
            Some(rope) => (rope.apply(q), rope.apply(k)),
            None => (q, k),
        };
        let (k_bksd, v_bksd) = match cache {
            Some(cache) => KeyValues::extend(cache, k_bktd, v_bktd),
            None => (k_bktd, v_bktd),
        };
        let ([_, h, ..], [_, kv_heads, s, _]) = (q_bhtd.dims(), k_bksd.dims());

        // The query heads of a group stand one below the other, so that their shared keys need not be repeated.
        // The reshape of the keys also stands between their transpose and what made them: Burn 0.22.1's fusion gets
        // the gradient wrong where a product's transposed output is used twice and has a side of 1 (T = 1 here).
        let (groups, rows) = (b * kv_heads, h / kv_heads * t);
        let scale = (d as f64).sqrt().recip();
        let q = (q_bhtd * scale).reshape([groups, rows, d]);
        let scores = q.matmul(k_bksd.reshape([groups, s, d]).swap_dims(1, 2));
        let scores_bhts = scores.reshape([b, h, t, s]) + frame.mask(self.window);
        let weights = softmax(scores_bhts).reshape([groups, rows, s]);
        let mixed_bhtd = weights.matmul(v_bksd.reshape([groups, s, d])).reshape([b, h, t, d]);
        self.output.forward(mixed_bhtd.swap_dims(1, 2).reshape([b, t, h * d]))
    }

    /// Projects `[B, T, C]` to heads `[B, heads, T, D]`.
    fn heads(&self, projection: &Linear, norm: &Option<Norm>, x_btc: Tensor<3>) -> Tensor<4> {
        let [b, t, _] = x_btc.dims();
        let y = projection.forward(x_btc);
        let [_, _, channels] = y.dims();
        let y_bthd = y.reshape([b, t, channels / self.head_width, self.head_width]);
        let y_bthd = match norm {
            Some(norm) => norm.forward(y_bthd),
            None => y_bthd,
        };
        y_bthd.swap_dims(1, 2)
    }
}

impl KeyValues {
    /// Appends new positions to the cache and returns all of them.
    fn extend(cache: &mut Option<Self>, key_bktd: Tensor<4>, value_bktd: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let all = match cache.take() {
            Some(old) => Self {
                key_bksd: Tensor::cat(vec![old.key_bksd, key_bktd], 2),
                value_bksd: Tensor::cat(vec![old.value_bksd, value_bktd], 2),
            },
            None => Self { key_bksd: key_bktd, value_bksd: value_bktd },
        };
        let KeyValues { key_bksd, value_bksd } = cache.insert(all).clone();
        (key_bksd, value_bksd)
    }
}
