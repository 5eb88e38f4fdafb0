//! The metadata of a GGUF file as a configuration of Hearth's.

use std::f64::consts::TAU;

use hearth_gguf::MetadataValue;

use super::described::Described;
use crate::{
    Activation, ModelError, NormPlacement, QkNormOver, RopeLayout, RopeScaling, Rotation, TransformerConfig,
    rope::Frequencies,
};

/// Llama 3's first windows, where no pair tells.
const LLAMA3_CONTEXT: usize = 8192;

/// The architectures, as `general.architecture` has them.
pub const ARCHITECTURES: [&str; 9] =
    ["gpt2", "llama", "qwen2", "qwen3", "qwen3moe", "smollm3", "olmo2", "gemma2", "gemma3"];

/// What a file tells of a model, by names within its architecture.
pub struct Metadata<'a> {
    pub file: &'a Described,
    /// Makes an error about the file.
    pub refuse: &'a dyn Fn(String) -> ModelError,
}

impl Metadata<'_> {
    fn has(&self, name: &str) -> bool {
        self.file.values.contains_key(&self.key(name))
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.file.architecture)
    }

    /// A value that must be there, as `of` reads it.
    fn must<'v, T>(
        &'v self,
        name: &str,
        kind: &str,
        of: impl Fn(&'v MetadataValue) -> Option<T>,
    ) -> Result<T, ModelError> {
        let key = self.key(name);
        let Some(value) = self.file.values.get(&key) else {
            return Err((self.refuse)(format!("metadata {key} is missing, which the architecture has")));
        };
        of(value).ok_or_else(|| (self.refuse)(format!("metadata {key} = {value:?} is not {kind}")))
    }

    fn count(&self, name: &str) -> Result<usize, ModelError> {
        let value = self.must(name, "a whole number", MetadataValue::as_u64)?;
        usize::try_from(value).map_err(|_| (self.refuse)(format!("{} = {value} is too large", self.key(name))))
    }

    fn count_or(&self, name: &str, default: usize) -> Result<usize, ModelError> {
        if self.has(name) { self.count(name) } else { Ok(default) }
    }

    fn number(&self, name: &str) -> Result<f64, ModelError> {
        // Stored in f32: the number that was meant is the shortest that reads so.
        let value = self.must(name, "a number", MetadataValue::as_f64)? as f32;
        Ok(value.to_string().parse().unwrap_or(f64::from(value)))
    }

    fn number_or(&self, name: &str, default: f64) -> Result<f64, ModelError> {
        if self.has(name) { self.number(name) } else { Ok(default) }
    }

    /// The configuration that the metadata and the names of tensors tell.
    ///
    /// # Errors
    /// An architecture that Hearth does not know, metadata that are missing or of another kind.
    pub fn config(&self) -> Result<TransformerConfig, ModelError> {
        let architecture = self.file.architecture.as_str();
        if !ARCHITECTURES.contains(&architecture) {
            let known = ARCHITECTURES.join(", ");
            return Err((self.refuse)(format!("general.architecture = \"{architecture}\": Hearth reads {known}")));
        }
        let [layers, width] = [self.count("block_count")?, self.count("embedding_length")?];
        let [heads, context] = [self.count("attention.head_count")?, self.count("context_length")?];
        let vocabulary = self.file.shapes.get("token_embd.weight").and_then(|shape| shape.first().copied());
        let Some(vocab_size) = vocabulary else {
            return Err((self.refuse)("tensor token_embd.weight is missing".into()));
        };
        let is_tied = !self.has_tensor("output.weight");
        let ffn_width = self.count_or("feed_forward_length", 0)?;
        if architecture == "gpt2" {
            return Ok(TransformerConfig {
                ffn_width,
                tied: is_tied,
                norm_eps: self.number("attention.layer_norm_epsilon")?,
                ..TransformerConfig::gpt2(vocab_size, context, layers, width, heads)
            });
        }
        let mut config = TransformerConfig {
            ffn_width,
            tied: is_tied,
            kv_heads: self.count_or("attention.head_count_kv", heads)?,
            head_width: self.count_or("attention.key_length", 0)?,
            norm_eps: self.number("attention.layer_norm_rms_epsilon")?,
            rope_base: self.number_or("rope.freq_base", 10_000.0)?,
            qk_norm: self.has_tensor("blk.0.attn_q_norm.weight"),
            bias: self.has_tensor("blk.0.attn_output.bias"),
            qkv_bias: self.has_tensor("blk.0.attn_q.bias") && !self.has_tensor("blk.0.attn_output.bias"),
            ..TransformerConfig::llama(vocab_size, context, layers, width, heads)
        };
        config.rope_scaling = self.scaling(&config)?;
        self.experts(&mut config)?;
        self.family(&mut config)?;
        Ok(config)
    }

    fn experts(&self, config: &mut TransformerConfig) -> Result<(), ModelError> {
        config.experts = self.count_or("expert_count", 0)?;
        if config.experts > 0 {
            config.experts_per_token = self.count("expert_used_count")?;
            config.expert_width = self.count_or("expert_feed_forward_length", config.ffn_width)?;
            // Where all feed-forward networks are experts, their own width is of nothing.
            config.ffn_width = config.ffn_width.max(1);
        }
        Ok(())
    }

    /// What only some architectures have.
    fn family(&self, config: &mut TransformerConfig) -> Result<(), ModelError> {
        let window = self.count_or("attention.sliding_window", 0)?;
        match self.file.architecture.as_str() {
            // Its converter orders the rows of queries and keys for pairs of neighbours.
            "llama" => {
                config.rope_layout = RopeLayout::Interleaved;
                config.sliding_window = if window > 0 { vec![window] } else { Vec::new() };
            }
            "smollm3" => {
                config.rope_layout = RopeLayout::Interleaved;
                config.rope_layers = (1..=config.layers).map(|at| at % 4 != 0).collect();
            }
            "olmo2" => {
                (config.norm_placement, config.qk_norm_over) = (NormPlacement::After, QkNormOver::Heads);
            }
            "gemma2" => self.gemma(window, 2, 46, config)?,
            "gemma3" => {
                self.gemma(window, self.count_or("attention.sliding_window_pattern", 6)?.max(1), 62, config)?;
                config.local_rope_base = Some(self.number_or("rope.freq_base_swa", 10_000.0)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Gemma's: every `pattern`-th layer sees everything, and the model of so many layers divides scores by another width.
    fn gemma(
        &self,
        window: usize,
        pattern: usize,
        largest: usize,
        config: &mut TransformerConfig,
    ) -> Result<(), ModelError> {
        config.mlp = Activation::Geglu;
        config.norm_placement = NormPlacement::Both;
        config.embedding_scale = (config.width as f64).sqrt();
        config.sliding_window = (1..=config.layers).map(|at| if at % pattern == 0 { 0 } else { window }).collect();
        if config.layers == largest {
            config.attention_scale = Some((config.heads as f64 / config.width as f64).sqrt());
        }
        let cap = |name: &str| Ok::<_, ModelError>(if self.has(name) { Some(self.number(name)?) } else { None });
        config.attention_softcap = cap("attn_logit_softcapping")?;
        config.logit_softcap = cap("final_logit_softcapping")?;
        Ok(())
    }

    fn scaling(&self, config: &TransformerConfig) -> Result<Option<RopeScaling>, ModelError> {
        if let Some(divisors) = &self.file.divisors {
            return Ok(Some(self.llama3(divisors, config)));
        }
        if !self.has("rope.scaling.type") {
            return Ok(None);
        }
        let kind = self.must("rope.scaling.type", "a text", MetadataValue::as_str)?;
        let factor = || self.number_or("rope.scaling.factor", 1.0);
        match kind {
            "none" => Ok(None),
            "linear" => Ok(Some(RopeScaling::Linear { factor: factor()? })),
            "yarn" => Ok(Some(RopeScaling::Yarn {
                factor: factor()?,
                original_context: self.count_or("rope.scaling.original_context_length", config.context_length)?,
                beta_fast: self.number_or("rope.scaling.yarn_beta_fast", 32.0)?,
                beta_slow: self.number_or("rope.scaling.yarn_beta_slow", 1.0)?,
                attention_factor: None,
            })),
            _ => Err((self.refuse)(format!(
                "{} = \"{kind}\": Hearth knows none, linear and yarn",
                self.key("rope.scaling.type")
            ))),
        }
    }

    /// Llama 3's, of which the file has what each pair is divided by: from a pair that is blended follows the context.
    fn llama3(&self, divisors: &[f32], config: &TransformerConfig) -> RopeScaling {
        let divisors: Vec<f64> = divisors.iter().copied().map(f64::from).collect();
        let factor = divisors.iter().copied().fold(1.0, f64::max);
        let [low, high] = [1.0, 4.0];
        let context = |(divisor, radians): (&f64, &f64)| {
            let fast = (1.0 / divisor - 1.0 / factor) / (1.0 - 1.0 / factor);
            let turns = low + fast * (high - low);
            (0.001..0.999).contains(&fast).then(|| (turns * TAU / radians).round() as usize)
        };
        let plain = Frequencies::new(config, Rotation::Global).radians;
        RopeScaling::Llama3 {
            factor,
            low_frequency_factor: low,
            high_frequency_factor: high,
            original_context: divisors.iter().zip(&plain).find_map(context).unwrap_or(LLAMA3_CONTEXT),
        }
    }

    fn has_tensor(&self, name: &str) -> bool {
        self.file.shapes.contains_key(name)
    }
}
