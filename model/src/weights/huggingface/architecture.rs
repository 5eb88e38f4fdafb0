//! The published architectures, by the names that a `config.json` has for them.

use std::path::Path;

use crate::{ModelError, weights::broken};

/// A published architecture, each with its `model_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    Gpt2,
    Llama,
    Mistral,
    Mixtral,
    Qwen2,
    Qwen3,
    Qwen3Moe,
    SmolLm3,
    Olmo2,
    Gemma2,
    Gemma3,
}

const NAMES: [(&str, Architecture); 11] = [
    ("gpt2", Architecture::Gpt2),
    ("llama", Architecture::Llama),
    ("mistral", Architecture::Mistral),
    ("mixtral", Architecture::Mixtral),
    ("qwen2", Architecture::Qwen2),
    ("qwen3", Architecture::Qwen3),
    ("qwen3_moe", Architecture::Qwen3Moe),
    ("smollm3", Architecture::SmolLm3),
    ("olmo2", Architecture::Olmo2),
    ("gemma2", Architecture::Gemma2),
    ("gemma3_text", Architecture::Gemma3),
];

impl Architecture {
    /// The one of this `model_type`.
    ///
    /// # Errors
    /// One that Hearth does not know.
    pub fn of(path: &Path, name: &str) -> Result<Self, ModelError> {
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, architecture)| *architecture);
        found.ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            broken(path, format!("model_type = \"{name}\": Hearth reads {}", known.join(", ")))
        })
    }

    /// All of them: the first one that computes what a model does is the most widely known.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(_, architecture)| *architecture)
    }

    /// Its `model_type`.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, it)| *it == self).map_or("", |(name, _)| name)
    }

    /// The library's class for it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Gpt2 => "GPT2LMHeadModel",
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Mixtral => "MixtralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Qwen3Moe => "Qwen3MoeForCausalLM",
            Self::SmolLm3 => "SmolLM3ForCausalLM",
            Self::Olmo2 => "Olmo2ForCausalLM",
            Self::Gemma2 => "Gemma2ForCausalLM",
            Self::Gemma3 => "Gemma3ForCausalLM",
        }
    }

    /// Whether normalisation multiplies by one more than the stored scale.
    pub fn adds_one_to_scales(self) -> bool {
        matches!(self, Self::Gemma2 | Self::Gemma3)
    }
}
