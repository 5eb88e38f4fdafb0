//! The configuration of a transformer: one structure for the Llama and the GPT-2 family, and the one home of its defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::AdapterConfig;

/// Which normalisation stands before attention, feed-forward and head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Root mean square (Zhang and Sennrich 2019, arXiv 1910.07467): a scale, no centring.
    Rms,
    /// Layer normalisation (Ba et al. 2016, arXiv 1607.06450): centred; its shift exists where `bias` is set.
    Layer,
}

/// How a position reaches the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// A learned vector for each position, added to the token's embedding (GPT-2).
    Learned,
    /// Rotary embedding of queries and keys (Su et al. 2021, arXiv 2104.09864).
    Rope,
}

/// Which channels of a head rotate together under [`Positions::Rope`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RopeLayout {
    /// Channel `i` with channel `i + D/2`, as in Hugging Face weights.
    #[default]
    Half,
    /// Channel `2i` with channel `2i + 1`, as in the paper, llama2.c and GGUF weights.
    Interleaved,
}

/// Rotary embeddings that were stretched to longer windows than they were trained for. Lengths are in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RopeScaling {
    /// Every angle is divided by `factor` (Chen et al. 2023, arXiv 2306.15595).
    Linear {
        /// How much longer windows are.
        factor: f64,
    },
    /// Slow pairs are divided by `factor`, fast ones are left, and those between are blended (Llama 3.1, arXiv 2407.21783).
    Llama3 {
        /// What slow pairs are divided by.
        factor: f64,
        /// A pair is slow that turns fewer times than this in `original_context`.
        low_frequency_factor: f64,
        /// A pair is fast that turns more often than this in `original_context`.
        high_frequency_factor: f64,
        /// The longest window that the model was trained for at first.
        original_context: usize,
    },
    /// As `llama3`, blended along the pairs, with rotations that lengthen by `attention_factor` (YaRN, Peng et al. 2023, arXiv
    /// 2309.00071).
    Yarn {
        /// What slow pairs are divided by.
        factor: f64,
        /// The longest window that the model was trained for at first.
        original_context: usize,
        /// A pair is fast that turns more often than this in `original_context`. Default 32.
        #[serde(default = "beta_fast")]
        beta_fast: f64,
        /// A pair is slow that turns fewer times than this in `original_context`. Default 1.
        #[serde(default = "beta_slow")]
        beta_slow: f64,
        /// What queries and keys are multiplied by. Default `0.1 ln(factor) + 1`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attention_factor: Option<f64>,
    },
}

fn beta_fast() -> f64 {
    32.0
}

fn beta_slow() -> f64 {
    1.0
}

/// Where a block normalises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NormPlacement {
    /// What attention and feed-forward network read (GPT-2, Llama).
    #[default]
    Before,
    /// What they give, before it is added (OLMo 2, arXiv 2501.00656, section 3.2).
    After,
    /// Both (Gemma 2, arXiv 2408.00118, section 2).
    Both,
}

/// Over which channels queries and keys are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QkNormOver {
    /// Those of a head (Qwen3, Gemma 3).
    #[default]
    Head,
    /// Those of all heads together (OLMo 2).
    Heads,
}

/// Which of a model's rotations a block's queries and keys have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// By `rope_base`, with `rope_scaling`.
    Global,
    /// By `local_rope_base`.
    Local,
}

/// The feed-forward network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `down(silu(gate(x)) * up(x))` (Shazeer 2020, arXiv 2002.05202): three matrices.
    Swiglu,
    /// `down(gelu(gate(x)) * up(x))` with the tanh approximation (Shazeer 2020), as in Gemma: three matrices.
    Geglu,
    /// `down(gelu(up(x)))` with the tanh approximation, as in GPT-2: two matrices.
    Gelu,
    /// `down(relu(up(x))^2)` (So et al. 2021, arXiv 2109.08668), as in nanochat: two matrices.
    ReluSquared,
}

impl Activation {
    /// Whether there is a gate beside what goes up.
    pub fn is_gated(self) -> bool {
        matches!(self, Self::Swiglu | Self::Geglu)
    }
}

/// What a router makes of an expert's logit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouterScore {
    /// A softmax over all experts, as in Switch, Mixtral and Qwen3.
    #[default]
    Softmax,
    /// A sigmoid of each by itself, as in DeepSeek-V3.
    Sigmoid,
}

/// A transformer's shape and variants.
///
/// Read it from TOML or JSON, or begin with [`TransformerConfig::llama`], [`TransformerConfig::gpt2`] or a
/// [`preset`](crate::preset()) and change what differs:
///
/// ```
/// use hearth_model::TransformerConfig;
///
/// // 64 ids, windows of 32 tokens, 2 blocks of 48 channels and 4 heads.
/// let config = TransformerConfig { dropout: 0.1, tied: true, ..TransformerConfig::llama(64, 32, 2, 48, 4) };
/// config.validate()?;
/// assert_eq!((config.head_width(), config.ffn_width()), (12, 128));
/// # Ok::<(), hearth_model::ModelError>(())
/// ```
///
/// Unknown fields are refused. [`TransformerConfig::validate`] checks the values, and so does
/// [`TransformerConfig::init`]. Every field may be left out in a file: without any it is a Llama that a CPU
/// trains in minutes. Later versions may add fields: write
/// `..` of one of the three above, and yours will go on to compile. The numbers that other numbers follow from, where a field
/// is 0, come from [`TransformerConfig::kv_heads`], [`TransformerConfig::head_width`] and [`TransformerConfig::ffn_width`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TransformerConfig {
    /// Number of token ids, `V`. 0 stands for as many as the tokenizer of a run has. Default 0.
    pub vocab_size: usize,
    /// The longest window in tokens, `T`. Default 64.
    pub context_length: usize,
    /// Number of blocks, `L`. Default 4.
    pub layers: usize,
    /// Channels of the residual stream, `C`. Default 128.
    pub width: usize,
    /// Query heads, `H`; a divisor of `width`, or `head_width` is set. Default 4.
    pub heads: usize,
    /// Key and value heads, `K`; a divisor of `heads`. 0 means as many as `heads` (no grouping). Default 0.
    pub kv_heads: usize,
    /// Channels of a head, `D`. 0 means `width / heads`. Default 0.
    pub head_width: usize,
    /// Channels of the latent vector that keys and values of all heads are made of (multi-head latent attention, DeepSeek-V2, arXiv
    /// 2405.04434, section 2.1), `R`. 0 means projections of their own. Default 0.
    pub kv_rank: usize,
    /// Channels of the latent vector that queries are made of, beside `kv_rank`. 0 means a projection of their own. Default 0.
    pub query_rank: usize,
    /// Channels of a head that rotate, beside `kv_rank`; those of `head_width` then do not. Default 0.
    pub rope_head_width: usize,
    /// Channels of a head's values, beside `kv_rank`. 0 means `head_width`. Default 0.
    pub value_head_width: usize,
    /// Channels inside the feed-forward network, `F`. 0 means `4 * width`, and with a gate two thirds of that, rounded up to a
    /// multiple of 32. Default 0.
    pub ffn_width: usize,
    /// Which normalisation stands before attention, feed-forward and head. Default `rms`.
    pub norm: NormKind,
    /// Where a block normalises. Default `before`.
    pub norm_placement: NormPlacement,
    /// Added to the mean square before the root. Default 1e-5.
    pub norm_eps: f64,
    /// How a position reaches the model. Default `rope`.
    pub positions: Positions,
    /// Base of the rotation angles: pair `i` turns by `rope_base^(-2i/D)` radians a position. Default 10000.
    pub rope_base: f64,
    /// The same of blocks with a sliding window, which then are not scaled either (Gemma 3, arXiv 2503.19786). Default none:
    /// `rope_base` everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_rope_base: Option<f64>,
    /// How rotations were stretched to longer windows. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<RopeScaling>,
    /// One entry a layer: whether its queries and keys rotate; a shorter list repeats. `[true, true, true, false]` is every fourth
    /// without positions (Yang et al. 2025, arXiv 2501.18795; SmolLM3). Default `[]`: everywhere.
    pub rope_layers: Vec<bool>,
    /// Which channels rotate together. Default `half`.
    pub rope_layout: RopeLayout,
    /// The feed-forward network. Default `swiglu`.
    pub mlp: Activation,
    /// Experts of each block that has a mixture of them in the place of its feed-forward network; 0 for none. Default 0.
    pub experts: usize,
    /// Experts that each position is sent to. Default 2.
    pub experts_per_token: usize,
    /// Experts beside these that see every position. Default 0.
    pub shared_experts: usize,
    /// Channels inside an expert. 0 means `ffn_width`. Default 0.
    pub expert_width: usize,
    /// Blocks at the beginning that have no experts but a feed-forward network of `ffn_width`. Default 0.
    pub dense_layers: usize,
    /// What a router makes of an expert's logit. Default `softmax`.
    pub router_score: RouterScore,
    /// Whether the scores of the experts that a position is sent to are divided by their sum. Default true.
    pub normalize_experts: bool,
    /// What experts' results are multiplied by, besides their scores. Default 1.
    pub expert_scale: f64,
    /// Whether linear layers and layer norms have biases. Default false.
    pub bias: bool,
    /// Whether queries, keys and values have biases where others have none (Qwen2, arXiv 2407.10671). Default false.
    pub qkv_bias: bool,
    /// Whether the head uses the embedding's matrix. Default false.
    pub tied: bool,
    /// Probability of zeroing a value after the embedding, the attention and the feed-forward network, while training.
    /// Default 0.
    pub dropout: f64,
    /// Whether queries and keys are RMS-normalised per head (Henry et al. 2020, arXiv 2010.04245). Default false.
    pub qk_norm: bool,
    /// Over which channels they are, beside `qk_norm`. Default `head`.
    pub qk_norm_over: QkNormOver,
    /// What products of queries and keys are multiplied by. Default none: `1 / sqrt(head_width)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_scale: Option<f64>,
    /// What tokens' vectors are multiplied by on their way to the residual stream (Gemma: `sqrt(width)`). Default 1.
    pub embedding_scale: f64,
    /// One entry a layer: a query sees this many positions, itself included; 0, or more than there are, means all before it. A
    /// shorter list repeats over the layers: `[512, 512, 512, 0]` is three local ones to one global (Beltagy et al. 2020, arXiv
    /// 2004.05150; Gemma 3, arXiv 2503.19786). Default `[]`: all, everywhere.
    pub sliding_window: Vec<usize>,
    /// Scores of attention become `cap * tanh(scores / cap)` before their softmax (Gemma 2, arXiv 2408.00118, section 2).
    /// Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_softcap: Option<f64>,
    /// Whether each query head has a learned logit more in its softmax, without a value: what it takes, no position gets (gpt-oss,
    /// arXiv 2508.10925; Xiao et al. 2023, arXiv 2309.17453). Default false.
    pub attention_sinks: bool,
    /// Every so many blocks, counted back from the last, one adds to its values a vector that it looks up for the position's token
    /// in a table `[V, K*D]` of its own, by a gate a key/value head (nanochat, where it is 2; after Zhou et al. 2024, arXiv
    /// 2410.17897). 0 for none. Default 0.
    pub value_embeddings: usize,
    /// Logits become `cap * tanh(logits / cap)` (Gemma 2, arXiv 2408.00118). Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logit_softcap: Option<f64>,
    /// Standard deviation of initial weights. Default 0.02.
    pub init_std: f64,
    /// Whether matrices that write to the residual stream start smaller by `sqrt(2L)` (GPT-2 report, section 2.3). Default
    /// true.
    pub scaled_residual_init: bool,
    /// Largest shard of a matrix over the vocabulary, in bytes of f32. Default 128 MiB, which WebGPU binds everywhere.
    pub vocab_shard_bytes: usize,
    /// What is learned beside weights that stay as they are (LoRA): a table of `rank` (8), `alpha` (16), `rank_stabilized` (false),
    /// `dropout` (0) and `targets` (`[]`: all projections of attention and feed-forward network). Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterConfig>,
}

/// What a file and a constructor leave out. A constructor sets the sizes.
const DEFAULTS: TransformerConfig = TransformerConfig {
    vocab_size: 0,
    context_length: 64,
    layers: 4,
    width: 128,
    heads: 4,
    kv_heads: 0,
    head_width: 0,
    kv_rank: 0,
    query_rank: 0,
    rope_head_width: 0,
    value_head_width: 0,
    ffn_width: 0,
    norm: NormKind::Rms,
    norm_placement: NormPlacement::Before,
    norm_eps: 1e-5,
    positions: Positions::Rope,
    rope_base: 10_000.0,
    local_rope_base: None,
    rope_scaling: None,
    rope_layers: Vec::new(),
    rope_layout: RopeLayout::Half,
    mlp: Activation::Swiglu,
    experts: 0,
    experts_per_token: 2,
    shared_experts: 0,
    expert_width: 0,
    dense_layers: 0,
    router_score: RouterScore::Softmax,
    normalize_experts: true,
    expert_scale: 1.0,
    bias: false,
    qkv_bias: false,
    tied: false,
    dropout: 0.0,
    qk_norm: false,
    qk_norm_over: QkNormOver::Head,
    attention_scale: None,
    embedding_scale: 1.0,
    sliding_window: Vec::new(),
    attention_softcap: None,
    attention_sinks: false,
    value_embeddings: 0,
    logit_softcap: None,
    init_std: 0.02,
    scaled_residual_init: true,
    vocab_shard_bytes: 128 << 20,
    adapter: None,
};

impl Default for TransformerConfig {
    fn default() -> Self {
        DEFAULTS
    }
}

impl TransformerConfig {
    /// Llama's family (Touvron et al. 2023, arXiv 2302.13971): RMS normalisation, RoPE in halves, SwiGLU, no biases, a head of
    /// its own.
    pub fn llama(vocab_size: usize, context_length: usize, layers: usize, width: usize, heads: usize) -> Self {
        Self { vocab_size, context_length, layers, width, heads, ..DEFAULTS }
    }

    /// GPT-2's family (Radford et al. 2019): layer normalisation, learned positions, GELU, biases, the embedding's matrix for
    /// the head.
    pub fn gpt2(vocab_size: usize, context_length: usize, layers: usize, width: usize, heads: usize) -> Self {
        Self {
            norm: NormKind::Layer,
            positions: Positions::Learned,
            mlp: Activation::Gelu,
            bias: true,
            tied: true,
            ..Self::llama(vocab_size, context_length, layers, width, heads)
        }
    }

    /// The same with another width and so many heads, and what follows from these anew: as many key and value heads as heads,
    /// heads of `width / heads` channels, a feed-forward network in proportion.
    ///
    /// `TransformerConfig { width, ..preset(name)? }` keeps the preset's `ffn_width` and `kv_heads` instead.
    pub fn with_width(self, width: usize, heads: usize) -> Self {
        Self { width, heads, kv_heads: 0, head_width: 0, ffn_width: 0, ..self }
    }

    /// Key/value heads, `K`.
    pub fn kv_heads(&self) -> usize {
        if self.kv_heads == 0 { self.heads } else { self.kv_heads }
    }

    /// Channels of a head, `D`; 0 without heads, which no model can have.
    pub fn head_width(&self) -> usize {
        if self.head_width == 0 { self.width.checked_div(self.heads).unwrap_or(0) } else { self.head_width }
    }

    /// Whether attention is latent attention.
    pub fn is_latent(&self) -> bool {
        self.kv_rank > 0
    }

    /// Channels of a head's values under latent attention, `E`.
    pub fn value_head_width(&self) -> usize {
        if self.value_head_width == 0 { self.head_width() } else { self.value_head_width }
    }

    /// Channels of a head that RoPE turns.
    pub fn rope_width(&self) -> usize {
        if self.is_latent() { self.rope_head_width } else { self.head_width() }
    }

    /// Channels of the feed-forward network, `F`.
    pub fn ffn_width(&self) -> usize {
        match (self.ffn_width, self.mlp) {
            (0, Activation::Gelu | Activation::ReluSquared) => self.width.saturating_mul(4),
            (0, Activation::Swiglu | Activation::Geglu) => {
                self.width.saturating_mul(8).div_ceil(3).next_multiple_of(32)
            }
            (given, _) => given,
        }
    }

    /// Channels inside an expert.
    pub fn expert_width(&self) -> usize {
        if self.expert_width == 0 { self.ffn_width() } else { self.expert_width }
    }

    /// Whether block `layer` has a mixture of experts.
    pub fn has_experts(&self, layer: usize) -> bool {
        self.experts > 0 && layer >= self.dense_layers
    }

    /// Positions that a query of layer `layer` sees, itself included; `None` for all before it.
    pub fn window(&self, layer: usize) -> Option<usize> {
        let window = self.sliding_window.get(layer % self.sliding_window.len().max(1));
        window.copied().filter(|window| *window > 0)
    }

    /// How the queries and keys of block `layer` rotate; `None` where they do not.
    pub fn rotation(&self, layer: usize) -> Option<Rotation> {
        let rotates = self.rope_layers.get(layer % self.rope_layers.len().max(1)).copied().unwrap_or(true);
        let local = self.local_rope_base.filter(|_| self.window(layer).is_some());
        let rotation = if local.is_some() { Rotation::Local } else { Rotation::Global };
        (self.positions == Positions::Rope && rotates).then_some(rotation)
    }

    /// What queries are multiplied by beside `1 / sqrt(head_width)`, if anything.
    pub fn query_scale(&self) -> Option<f64> {
        self.attention_scale.map(|scale| scale * (self.head_width() as f64).sqrt()).filter(|scale| *scale != 1.0)
    }

    /// Whether block `layer` adds value embeddings.
    pub fn has_value_embedding(&self, layer: usize) -> bool {
        self.value_embeddings > 0 && (self.layers - 1 - layer).is_multiple_of(self.value_embeddings)
    }

    /// Whether something is zeroed at random while training.
    pub fn has_dropout(&self) -> bool {
        self.dropout > 0.0 || self.adapter.as_ref().is_some_and(|adapter| adapter.dropout > 0.0)
    }

    /// Standard deviation of initial matrices that write to the residual stream.
    pub(crate) fn residual_std(&self) -> f64 {
        match self.scaled_residual_init {
            true => self.init_std / (2.0 * self.layers as f64).sqrt(),
            false => self.init_std,
        }
    }
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

    /// What a file may leave out is what a constructor leaves out.
    #[test]
    fn defaults_have_one_home() {
        let sizes = "context_length = 32\nlayers = 2\nwidth = 48\nheads = 4";
        let read = toml::from_str::<TransformerConfig>(sizes).unwrap();
        assert_eq!(read, TransformerConfig::llama(0, 32, 2, 48, 4));
        assert_eq!(toml::from_str::<TransformerConfig>("").unwrap(), TransformerConfig::llama(0, 64, 4, 128, 4));
    }

    #[test]
    fn another_width_has_its_own_feed_forward_network() {
        let preset = preset("stories260k").unwrap();
        assert_eq!(TransformerConfig { width: 128, ..preset.clone() }.ffn_width(), 172);
        let wider = preset.with_width(128, 4);
        assert_eq!((wider.ffn_width(), wider.kv_heads(), wider.head_width()), (352, 4, 32));
    }
}
