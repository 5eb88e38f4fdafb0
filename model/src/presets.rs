//! Published shapes by name.

use crate::{ModelError, RopeLayout, TransformerConfig};

/// The names that [`preset`] knows:
///
/// | name | what it is |
/// | --- | --- |
/// | `shakespeare-cpu`, `shakespeare-gpu` | nanoGPT's two configurations for tiny Shakespeare: 0.8 M and 10.7 M parameters |
/// | `gpt2`, `gpt2-medium`, `gpt2-large`, `gpt2-xl` | OpenAI's four sizes: 124 M, 355 M, 774 M and 1558 M |
/// | `smollm2-135m` | Hugging Face's small Llama: 135 M |
/// | `stories260k`, `stories15m`, `stories42m`, `stories110m` | the Llama models of llama2.c |
pub const PRESETS: &[&str] = &[
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

/// The configuration that `name` stands for, one of [`PRESETS`]; capitals make no difference.
///
/// A preset says all of its widths. To change the one, take [`TransformerConfig::with_width`], which lets the others follow.
///
/// # Errors
/// [`ModelError::UnknownPreset`] lists the names there are.
pub fn preset(name: &str) -> Result<TransformerConfig, ModelError> {
    let (gpt2, llama) = (TransformerConfig::gpt2, TransformerConfig::llama);
    Ok(match name.to_ascii_lowercase().as_str() {
        "shakespeare-cpu" => TransformerConfig { bias: false, ..gpt2(65, 64, 4, 128, 4) },
        "shakespeare-gpu" => TransformerConfig { bias: false, dropout: 0.2, ..gpt2(65, 256, 6, 384, 6) },
        "gpt2" => gpt2(50_257, 1024, 12, 768, 12),
        "gpt2-medium" => gpt2(50_257, 1024, 24, 1024, 16),
        "gpt2-large" => gpt2(50_257, 1024, 36, 1280, 20),
        "gpt2-xl" => gpt2(50_257, 1024, 48, 1600, 25),
        "smollm2-135m" => TransformerConfig {
            kv_heads: 3,
            ffn_width: 1536,
            rope_base: 100_000.0,
            tied: true,
            ..llama(49_152, 8192, 30, 576, 9)
        },
        "stories260k" => TransformerConfig { kv_heads: 4, ffn_width: 172, ..stories(512, 512, 5, 64, 8) },
        "stories15m" => TransformerConfig { kv_heads: 6, ffn_width: 768, ..stories(32_000, 256, 6, 288, 6) },
        "stories42m" => TransformerConfig { kv_heads: 8, ffn_width: 1376, ..stories(32_000, 1024, 8, 512, 8) },
        "stories110m" => TransformerConfig { kv_heads: 12, ffn_width: 2048, ..stories(32_000, 1024, 12, 768, 12) },
        _ => {
            return Err(ModelError::UnknownPreset { name: name.into(), known: PRESETS.join(", ") });
        }
    })
}

/// Llama as llama2.c has it: interleaved RoPE, the embedding's matrix for the head.
fn stories(vocab_size: usize, context_length: usize, layers: usize, width: usize, heads: usize) -> TransformerConfig {
    TransformerConfig {
        rope_layout: RopeLayout::Interleaved,
        tied: true,
        ..TransformerConfig::llama(vocab_size, context_length, layers, width, heads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capitals_make_no_difference_and_an_unknown_name_lists_the_others() {
        assert_eq!(preset("stories260K").unwrap(), preset("stories260k").unwrap());
        let error = preset("gpt3").unwrap_err().to_string();
        assert!(error.contains("gpt3") && error.contains("stories110m"), "{error}");
    }
}
