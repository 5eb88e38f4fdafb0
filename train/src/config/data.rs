//! Where a run's tokens come from.

use std::path::PathBuf;

use hearth_data::TokenizerKind;
use serde::{Deserialize, Serialize};

/// Where a run's tokens come from: one of `text`, `tokens` and `mixture`. Paths are relative to the configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A UTF-8 text file, which is tokenized in memory when the run starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<PathBuf>,
    /// A folder that `hearth prepare` made, or one with `.bin` files of nanoGPT or llm.c, whose names say `train` and
    /// `val`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<PathBuf>,
    /// Several such folders, each with the share of the batches that it gives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixture: Vec<MixturePart>,
    /// Of a text or of `.bin` files: `char` (one id per distinct character, default), `byte` (256 ids), or a file: a
    /// Hugging Face `tokenizer.json`, tiktoken's ranks, or one that Hearth saved. Prepared folders have their own.
    #[serde(default)]
    pub tokenizer: TokenizerChoice,
    /// Share of a text, from its end, that is held out for validation. Default 0.1.
    #[serde(default = "default_validation_fraction")]
    pub validation_fraction: f64,
    /// Tokens between the starts of neighbouring windows. 0 (default) means `model.context_length`: an epoch sees each
    /// token once. 1 takes windows at every offset, which gives a small text more varied batches.
    #[serde(default)]
    pub stride: usize,
    /// `windows` (default) cuts the stream without regard to documents; `documents` packs whole documents side by side,
    /// each of which attends to itself alone.
    #[serde(default)]
    pub packing: PackingKind,
}

/// One folder of a mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixturePart {
    /// As [`DataConfig::tokens`].
    pub tokens: PathBuf,
    /// Its share, of the sum of all weights.
    pub weight: f64,
}

/// How ids are made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TokenizerChoice {
    /// Built from the text.
    Kind(TokenizerKind),
    /// Read from a file.
    File(PathBuf),
}

/// What a row of a batch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackingKind {
    /// A window of the stream.
    #[default]
    Windows,
    /// Whole documents.
    Documents,
}

impl Default for TokenizerChoice {
    fn default() -> Self {
        Self::Kind(TokenizerKind::Char)
    }
}

impl DataConfig {
    /// Every file and folder that is named.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tokenizer = match &mut self.tokenizer {
            TokenizerChoice::File(path) => Some(path),
            TokenizerChoice::Kind(_) => None,
        };
        let parts = self.mixture.iter_mut().map(|part| &mut part.tokens);
        self.text.iter_mut().chain(&mut self.tokens).chain(tokenizer).chain(parts)
    }

    /// # Errors
    /// The field and what is wrong with it.
    pub(super) fn validate(&self) -> Result<(), String> {
        let given = [self.text.is_some(), self.tokens.is_some(), !self.mixture.is_empty()];
        match given.iter().filter(|given| **given).count() {
            0 => Err("data: give data.text, a text file, or data.tokens, a folder that `hearth prepare` made".into()),
            1 => Ok(()),
            _ => Err("data: give only one of data.text, data.tokens and data.mixture".into()),
        }
    }

    #[cfg(not(target_family = "wasm"))]
    /// Prepared folders, each with its weight.
    pub(crate) fn folders(&self) -> impl Iterator<Item = (f64, &std::path::Path)> {
        let one = self.tokens.as_deref().map(|folder| (1.0, folder));
        one.into_iter().chain(self.mixture.iter().map(|part| (part.weight, part.tokens.as_path())))
    }
}

fn default_validation_fraction() -> f64 {
    0.1
}
