//! Published shapes by name.

use crate::{Activation, ModelError, NormKind, Positions, RopeLayout, TransformerConfig};

/// The names that [`preset`] knows.
pub const PRESETS: [&str; 11] = [
    "shakespeare-cpu",
    "shakespeare-gpu",
    "gpt2",
    "gpt2-medium",
    "gpt2-large",
    "gpt2-xl",
    "smollm2-135m",
    "stories260k",
    "stories15m",
    "stories42m",
    "stories110m",
];

/// The configuration that `name` stands for.
///
/// `shakespeare-*` are nanoGPT's two configurations for tiny Shakespeare, `gpt2*` OpenAI's four sizes, `stories*`
/// the Llama models of llama2.c.
///
/// # Errors
/// [`ModelError::UnknownPreset`] lists the names there are.
pub fn preset(name: &str) -> Result<TransformerConfig, ModelError> {
    Ok(match name {
        "shakespeare-cpu" => TransformerConfig { bias: false, ..gpt2(65, 64, 4, 128, 4) },
        "shakespeare-gpu" => TransformerConfig { bias: false, dropout: 0.2, ..gpt2(65, 256, 6, 384, 6) },
        "gpt2" => gpt2(50_257, 1024, 12, 768, 12),
        "gpt2-medium" => gpt2(50_257, 1024, 24, 1024, 16),
        "gpt2-large" => gpt2(50_257, 1024, 36, 1280, 20),
        "gpt2-xl" => gpt2(50_257, 1024, 48, 1600, 25),
        "smollm2-135m" => TransformerConfig {
            vocab_size: 49_152,
            context_length: 8192,
            layers: 30,
            width: 576,
            heads: 9,
            kv_heads: 3,
            ffn_width: 1536,
            rope_base: 100_000.0,
            rope_layout: RopeLayout::Half,
            ..stories(0, 0, 0, 1, 1, 1, 0)
        },
        "stories260k" => stories(512, 512, 5, 64, 8, 4, 172),
        "stories15m" => stories(32_000, 256, 6, 288, 6, 6, 768),
        "stories42m" => stories(32_000, 1024, 8, 512, 8, 8, 1376),
        "stories110m" => stories(32_000, 1024, 12, 768, 12, 12, 2048),
        _ => {
            return Err(ModelError::UnknownPreset { name: name.into(), known: PRESETS.join(", ") });
        }
    })
}

/// GPT-2's family (Radford et al. 2019).
fn gpt2(vocab_size: usize, context_length: usize, layers: usize, width: usize, heads: usize) -> TransformerConfig {
    TransformerConfig {
        vocab_size,
        context_length,
        layers,
        width,
        heads,
        kv_heads: 0,
        head_width: 0,
        ffn_width: 0,
        norm: NormKind::Layer,
        norm_eps: 1e-5,
        positions: Positions::Learned,
        rope_base: 10_000.0,
        rope_layout: RopeLayout::Half,
        mlp: Activation::Gelu,
        bias: true,
        tied: true,
        dropout: 0.0,
        qk_norm: false,
        sliding_window: Vec::new(),
        logit_softcap: None,
        init_std: 0.02,
        scaled_residual_init: true,
        vocab_shard_bytes: 128 << 20,
    }
}

/// Llama's family (Touvron et al. 2023) in the sizes of llama2.c: interleaved RoPE, tied head.
fn stories(
    vocab_size: usize,
    context_length: usize,
    layers: usize,
    width: usize,
    heads: usize,
    kv_heads: usize,
    ffn_width: usize,
) -> TransformerConfig {
    TransformerConfig {
        kv_heads,
        ffn_width,
        norm: NormKind::Rms,
        positions: Positions::Rope,
        rope_layout: RopeLayout::Interleaved,
        mlp: Activation::Swiglu,
        bias: false,
        ..gpt2(vocab_size, context_length, layers, width, heads)
    }
}
