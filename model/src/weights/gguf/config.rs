//! The metadata of a GGUF file as a configuration of Hearth's.

use std::f64::consts::TAU;

use hearth_gguf::Gguf;

use crate::{
    Activation, ModelError, NormPlacement, QkNormOver, RopeLayout, RopeScaling, Rotation, TransformerConfig,
    rope::Frequencies,
};

/// Llama 3's first windows, where no pair tells.
const LLAMA3_CONTEXT: usize = 8192;

/// The architectures, as `general.architecture` has them.
const ARCHITECTURES: [&str; 9] =
    ["gpt2", "llama", "qwen2", "qwen3", "qwen3moe", "smollm3", "olmo2", "gemma2", "gemma3"];

/// A file's metadata, by names within its architecture.
pub struct Metadata<'a> {
    pub file: &'a Gguf,
    pub architecture: &'a str,
    /// Makes an error about the file.
    pub refuse: &'a dyn Fn(String) -> ModelError,
}

impl Metadata<'_> {
    fn has(&self, name: &str) -> bool {
        self.file.metadata(&self.key(name)).is_some()
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    fn count(&self, name: &str) -> Result<usize, ModelError> {
        let value = self.file.get_u64(&self.key(name))?;
        usize::try_from(value).map_err(|_| (self.refuse)(format!("{} = {value} is too large", self.key(name))))
    }

    fn count_or(&self, name: &str, default: usize) -> Result<usize, ModelError> {
        if self.has(name) { self.count(name) } else { Ok(default) }
    }

    fn number(&self, name: &str) -> Result<f64, ModelError> {
        // Stored in f32: the number that was meant is the shortest that reads so.
        let value = self.file.get_f64(&self.key(name))? as f32;
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
        if !ARCHITECTURES.contains(&self.architecture) {
            let known = ARCHITECTURES.join(", ");
            return Err((self.refuse)(format!(
                "general.architecture = \"{}\": Hearth reads {known}",
                self.architecture
            )));
        }
        let [layers, width] = [self.count("block_count")?, self.count("embedding_length")?];
        let [heads, context] = [self.count("attention.head_count")?, self.count("context_length")?];
        let vocabulary = self.file.tensor("token_embd.weight").and_then(|it| it.shape().first().copied());
        let Some(vocab_size) = vocabulary else {
            return Err((self.refuse)("tensor token_embd.weight is missing".into()));
        };
        let is_tied = self.file.tensor("output.weight").is_none();
        let ffn_width = self.count_or("feed_forward_length", 0)?;
        if self.architecture == "gpt2" {
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
            qk_norm: self.file.tensor("blk.0.attn_q_norm.weight").is_some(),
            qkv_bias: self.file.tensor("blk.0.attn_q.bias").is_some(),
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
        match self.architecture {
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
                self.gemma(window, 6, 62, config)?;
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
        if self.file.tensor("rope_freqs.weight").is_some() {
            return self.llama3(config).map(Some);
        }
        if !self.has("rope.scaling.type") {
            return Ok(None);
        }
        let kind = self.file.get_str(&self.key("rope.scaling.type"))?;
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
    fn llama3(&self, config: &TransformerConfig) -> Result<RopeScaling, ModelError> {
        let divisors: Vec<f64> = self.file.read_f32("rope_freqs.weight")?.into_iter().map(f64::from).collect();
        let factor = divisors.iter().copied().fold(1.0, f64::max);
        let [low, high] = [1.0, 4.0];
        let context = |(divisor, radians): (&f64, &f64)| {
            let fast = (1.0 / divisor - 1.0 / factor) / (1.0 - 1.0 / factor);
            let turns = low + fast * (high - low);
            (0.001..0.999).contains(&fast).then(|| (turns * TAU / radians).round() as usize)
        };
        let plain = Frequencies::new(config, Rotation::Global).radians;
        Ok(RopeScaling::Llama3 {
            factor,
            low_frequency_factor: low,
            high_frequency_factor: high,
            original_context: divisors.iter().zip(&plain).find_map(context).unwrap_or(LLAMA3_CONTEXT),
        })
    }
}
