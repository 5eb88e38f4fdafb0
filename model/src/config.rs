//! The configuration of a transformer: one structure for the Llama and the GPT-2 family.

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Which normalisation stands before attention, feed-forward and head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Root mean square (Zhang and Sennrich 2019, arXiv 1910.07467): a scale, no centring.
    Rms,
    /// Layer normalisation (Ba et al. 2016, arXiv 1607.06450): centred; its shift exists where `bias` is set.
    Layer,
}

/// How a position reaches the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// A learned vector for each position, added to the token's embedding (GPT-2).
    Learned,
    /// Rotary embedding of queries and keys (Su et al. 2021, arXiv 2104.09864).
    Rope,
}

/// Which channels of a head rotate together under [`Positions::Rope`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RopeLayout {
    /// Channel `i` with channel `i + D/2`, as in Hugging Face weights.
    #[default]
    Half,
    /// Channel `2i` with channel `2i + 1`, as in the paper, llama2.c and GGUF weights.
    Interleaved,
}

/// The feed-forward network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `down(silu(gate(x)) * up(x))` (Shazeer 2020, arXiv 2002.05202): three matrices.
    Swiglu,
    /// `down(gelu(up(x)))` with the tanh approximation, as in GPT-2: two matrices.
    Gelu,
}

/// A transformer's shape and variants. Read it from TOML or JSON, or start from a [`preset`](crate::preset).
///
/// Unknown fields are refused. [`TransformerConfig::validate`] checks the values; every consumer calls it first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Number of token ids, `V`. In a training configuration 0 means: as many as the tokenizer has.
    #[serde(default)]
    pub vocab_size: usize,
    /// The longest window in tokens, `T`.
    pub context_length: usize,
    /// Number of blocks, `L`.
    pub layers: usize,
    /// Channels of the residual stream, `C`.
    pub width: usize,
    /// Query heads, `H`.
    pub heads: usize,
    /// Key and value heads, `K`; a divisor of `heads`. 0 means as many as `heads` (no grouping).
    #[serde(default)]
    pub kv_heads: usize,
    /// Channels of a head, `D`. 0 means `width / heads`.
    #[serde(default)]
    pub head_width: usize,
    /// Channels inside the feed-forward network, `F`. 0 means `4 * width` for GELU, and for SwiGLU two thirds of that,
    /// rounded up to a multiple of 32.
    #[serde(default)]
    pub ffn_width: usize,
    /// Kind of normalisation.
    pub norm: NormKind,
    /// Added to the mean square before the root.
    #[serde(default = "default_norm_eps")]
    pub norm_eps: f64,
    /// How positions reach the model.
    pub positions: Positions,
    /// Base of the rotation angles: pair `i` turns by `rope_base^(-2i/D)` radians a position.
    #[serde(default = "default_rope_base")]
    pub rope_base: f64,
    /// Which channels rotate together.
    #[serde(default)]
    pub rope_layout: RopeLayout,
    /// The feed-forward network.
    pub mlp: Activation,
    /// Whether linear layers and layer norms have biases.
    #[serde(default)]
    pub bias: bool,
    /// Whether the head uses the embedding's matrix.
    #[serde(default)]
    pub tied: bool,
    /// Probability of zeroing a value after the embedding, the attention and the feed-forward network, while training.
    #[serde(default)]
    pub dropout: f64,
    /// Whether queries and keys are RMS-normalised per head (Henry et al. 2020, arXiv 2010.04245).
    #[serde(default)]
    pub qk_norm: bool,
    /// One entry a layer: a query sees this many positions, itself included; 0 means all before it. Empty: 0 everywhere.
    #[serde(default)]
    pub sliding_window: Vec<usize>,
    /// Logits become `cap * tanh(logits / cap)` (Gemma 2, arXiv 2408.00118).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_softcap: Option<f64>,
    /// Standard deviation of initial weights.
    #[serde(default = "default_init_std")]
    pub init_std: f64,
    /// Whether matrices that write to the residual stream start smaller by `sqrt(2L)` (GPT-2 report, section 2.3).
    #[serde(default = "default_true")]
    pub scaled_residual_init: bool,
    /// Largest shard of a matrix over the vocabulary, in bytes of f32. Default 128 MiB, which WebGPU binds everywhere.
    #[serde(default = "default_vocab_shard_bytes")]
    pub vocab_shard_bytes: usize,
}

fn default_vocab_shard_bytes() -> usize {
    128 << 20
}

fn default_norm_eps() -> f64 {
    1e-5
}

fn default_rope_base() -> f64 {
    10_000.0
}

fn default_init_std() -> f64 {
    0.02
}

fn default_true() -> bool {
    true
}

impl TransformerConfig {
    /// Key/value heads, `K`.
    pub fn kv_heads(&self) -> usize {
        if self.kv_heads == 0 { self.heads } else { self.kv_heads }
    }

    /// Channels of a head, `D`.
    pub fn head_width(&self) -> usize {
        if self.head_width == 0 { self.width / self.heads } else { self.head_width }
    }

    /// Channels of the feed-forward network, `F`.
    pub fn ffn_width(&self) -> usize {
        match (self.ffn_width, self.mlp) {
            (0, Activation::Gelu) => 4 * self.width,
            (0, Activation::Swiglu) => (8 * self.width).div_ceil(3).next_multiple_of(32),
            (given, _) => given,
        }
    }

    /// Positions that a query of layer `layer` sees, itself included; `None` for all before it.
    pub fn window(&self, layer: usize) -> Option<usize> {
        self.sliding_window.get(layer).copied().filter(|window| *window > 0)
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ModelError::Config`] names the first field whose value no model can have.
    pub fn validate(&self) -> Result<(), ModelError> {
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("context_length", self.context_length),
            ("layers", self.layers),
            ("width", self.width),
            ("heads", self.heads),
        ] {
            if value == 0 {
                return refuse(field, value, "must be at least 1");
            }
        }
        if self.head_width == 0 && !self.width.is_multiple_of(self.heads) {
            return refuse(
                "heads",
                self.heads,
                format!("must divide width = {}, or head_width must be set", self.width),
            );
        }
        if !self.heads.is_multiple_of(self.kv_heads()) {
            return refuse("kv_heads", self.kv_heads, format!("must divide heads = {}", self.heads));
        }
        if self.positions == Positions::Rope && !self.head_width().is_multiple_of(2) {
            return refuse("head_width", self.head_width(), "must be even, for RoPE turns channels in pairs");
        }
        if !self.sliding_window.is_empty() && self.sliding_window.len() != self.layers {
            return refuse(
                "sliding_window",
                format!("{:?}", self.sliding_window),
                format!("must have one entry a layer, so {} of them, or none", self.layers),
            );
        }
        for (field, value) in [
            ("norm_eps", self.norm_eps),
            ("rope_base", self.rope_base),
            ("init_std", self.init_std),
            ("logit_softcap", self.logit_softcap.unwrap_or(1.0)),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return refuse(field, value, "must be positive");
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return refuse("dropout", self.dropout, "must be at least 0 and under 1");
        }
        // Sizes come from a file: the largest tensor must be countable, or the arithmetic below would wrap.
        let widest = self
            .vocab_size
            .max(self.context_length)
            .max(self.ffn_width())
            .max(self.heads.saturating_mul(self.head_width()));
        if widest.checked_mul(self.width).is_none_or(|elements| elements > 1 << 40) || self.layers > 1 << 16 {
            return refuse(
                "width",
                self.width,
                "gives a tensor of more than 2^40 elements, or there are too many layers",
            );
        }
        Ok(())
    }
}

fn refuse<T>(field: &'static str, value: impl ToString, reason: impl Into<String>) -> Result<T, ModelError> {
    Err(ModelError::Config { field, value: value.to_string(), reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset;

    #[test]
    fn toml_and_json_round_trip() {
        for name in crate::PRESETS {
            let config = preset(name).unwrap();
            config.validate().unwrap();
            let toml = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<TransformerConfig>(&toml).unwrap(), config);
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<TransformerConfig>(&json).unwrap(), config);
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let mut toml = toml::to_string(&preset("gpt2").unwrap()).unwrap();
        toml.push_str("n_head = 12\n");
        let error = toml::from_str::<TransformerConfig>(&toml).unwrap_err();
        assert!(error.message().contains("unknown field `n_head`"), "{error}");
    }

    #[test]
    fn each_bad_value_is_named() {
        let good = preset("stories260k").unwrap();
        type Spoil = fn(&mut TransformerConfig);
        let cases: [(&str, Spoil); 9] = [
            ("model.heads = 7", |c| c.heads = 7),
            ("model.kv_heads = 3", |c| c.kv_heads = 3),
            ("model.layers = 0", |c| c.layers = 0),
            ("model.vocab_size = 0", |c| c.vocab_size = 0),
            ("model.head_width = 5", |c| c.head_width = 5),
            ("model.sliding_window = [4]", |c| c.sliding_window = vec![4]),
            ("model.dropout = 1", |c| c.dropout = 1.0),
            ("model.norm_eps = 0", |c| c.norm_eps = 0.0),
            ("model.width = 1099511627776", |c| c.width = 1 << 40),
        ];
        for (message, spoil) in cases {
            let mut config = good.clone();
            spoil(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
