//! Where a run's tokens come from.

use std::{borrow::Cow, path::PathBuf};

use hearth_data::TokenizerKind;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Where a run's tokens come from: one of `text`, `tokens` and `mixture`, or none of them where the caller of the run gives it
/// text or tokens. Paths are relative to the configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct DataConfig {
    /// A UTF-8 text file, which is tokenized in memory when the run starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<PathBuf>,
    /// A folder that `hearth prepare` made, or one with `.bin` files of nanoGPT or llm.c, whose names say `train` and
    /// `val`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<PathBuf>,
    /// Several such folders, each with its share of the batches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mixture: Vec<MixturePart>,
    /// Tokenizer of a text or of `.bin` files: `char` (one id for each distinct character, default), `byte` (256 ids), or a
    /// file or folder of Hugging Face, SentencePiece, tiktoken or Hearth (docs/tokenizers.md). Prepared folders have their own.
    pub tokenizer: TokenizerChoice,
    /// Share of a text, from its end, that is held out for validation. Default 0.1.
    pub validation_fraction: f64,
    /// Tokens between the starts of neighbouring windows. 0 (default) means `model.context_length`: an epoch sees each
    /// token once. 1 takes windows at every offset, which gives a small text more varied batches.
    pub stride: usize,
    /// `windows` (default) cuts the stream without regard to documents; `documents` packs whole documents side by side,
    /// each of which attends to itself alone: give it for chats.
    pub packing: PackingKind,
}

/// One folder of a mixture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixturePart {
    /// The folder, as in [`DataConfig::tokens`].
    pub tokens: PathBuf,
    /// Share of the batches that come from it, as a part of the sum of all weights.
    pub weight: f64,
}

/// The tokenizer of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum TokenizerChoice {
    /// One that is built from the text.
    Kind(TokenizerKind),
    /// One that is read from a file.
    File(PathBuf),
}

/// What a sequence of a batch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PackingKind {
    /// A window of the stream.
    #[default]
    Windows,
    /// Whole documents, side by side.
    Documents,
}

impl JsonSchema for TokenizerChoice {
    fn schema_name() -> Cow<'static, str> {
        "TokenizerChoice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl Default for TokenizerChoice {
    fn default() -> Self {
        Self::Kind(TokenizerKind::Char)
    }
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            text: None,
            tokens: None,
            mixture: Vec::new(),
            tokenizer: TokenizerChoice::default(),
            validation_fraction: 0.1,
            stride: 0,
            packing: PackingKind::default(),
        }
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

    /// Checks that at most one source is named, and that something is left to train on.
    ///
    /// # Errors
    /// The fields, and what would do.
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.sources() > 1 {
            return Err("data: give only one of data.text, data.tokens and data.mixture".into());
        }
        match (0.0..1.0).contains(&self.validation_fraction) {
            true => Ok(()),
            false => {
                Err(format!("data.validation_fraction = {}: must be at least 0 and under 1", self.validation_fraction))
            }
        }
    }

    /// How many of text, tokens and mixture are given.
    pub(super) fn sources(&self) -> usize {
        usize::from(self.text.is_some()) + usize::from(self.tokens.is_some()) + usize::from(!self.mixture.is_empty())
    }

    /// Prepared folders, each with its weight.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn folders(&self) -> impl Iterator<Item = (f64, &std::path::Path)> {
        let one = self.tokens.as_deref().map(|folder| (1.0, folder));
        one.into_iter().chain(self.mixture.iter().map(|part| (part.weight, part.tokens.as_path())))
    }
}
