//! `hearth prepare --chat`: how rows of chats become documents.

use std::{
    fs,
    num::NonZero,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use hearth_data::{
    DataError, RowSettings,
    chat::{ChatError, ChatTemplate, DateTime},
};

/// What is asked of rows of chats.
#[derive(Args)]
pub struct ChatArguments {
    /// The inputs are rows of chats: .jsonl, .json or .parquet files of `messages` (or ShareGPT's `conversations`), of `prompt` and
    /// `completion`, of `text`, or of `prompt`, `chosen` and `rejected` (docs/data.md).
    #[arg(long, conflicts_with_all = ["field", "separator", "vocab_size"])]
    pub chat: bool,
    /// The chat template: a Jinja file, a tokenizer_config.json, a folder with one, or a .gguf. Without it, that of the tokenizer's
    /// folder or .gguf.
    #[arg(long, requires = "chat", value_name = "FILE")]
    template: Option<PathBuf>,
    /// A variable of the template, as `enable_thinking=false`: JSON, or else text.
    #[arg(long, requires = "chat", value_name = "NAME=VALUE")]
    template_value: Vec<String>,
    /// The day that templates which ask for one take for today, as 2025-01-31.
    #[arg(long, requires = "chat", value_name = "DAY")]
    template_date: Option<String>,
    /// The model's context length: longer rows are cut to it, and counted.
    #[arg(long, requires = "chat", value_name = "TOKENS")]
    context: Option<NonZero<usize>>,
    /// Rows are preferences (`chosen` and `rejected`), though they have `messages`, too.
    #[arg(long, requires = "chat")]
    preferences: bool,
    /// Show row number N with what is trained of it, and write nothing.
    #[arg(long, requires = "chat", value_name = "N")]
    pub preview: Option<NonZero<usize>>,
}

impl ChatArguments {
    /// The settings of rows, with the template of the tokenizer at `tokenizer` if no other is named.
    pub fn settings(&self, tokenizer: Option<&Path>) -> anyhow::Result<RowSettings> {
        let template = self.template(tokenizer)?;
        let template = match (template, self.template_value.is_empty() && self.template_date.is_none()) {
            (Some(template), _) => Some(self.with_values(template)?),
            (None, true) => None,
            (None, false) => {
                bail!("--template-value and --template-date are for a chat template: give one by --template")
            }
        };
        let context_length = self.context.map(NonZero::get);
        Ok(RowSettings { template, context_length, preferences: self.preferences })
    }

    fn template(&self, tokenizer: Option<&Path>) -> anyhow::Result<Option<ChatTemplate>> {
        let tokenizer = tokenizer.filter(|name| *name != Path::new("byte"));
        let beside = |jinja: Option<&str>| match tokenizer {
            Some(tokenizer) => ChatTemplate::of_tokenizer(tokenizer, jinja),
            None => jinja.map(ChatTemplate::new).transpose(),
        };
        let Some(path) = &self.template else { return Ok(beside(None)?) };
        let name = || format!("--template {}", path.display());
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_dir() {
            return Ok(Some(ChatTemplate::from_folder(path)?));
        }
        if extension == "gguf" {
            let template = ChatTemplate::of_tokenizer(path, None)?;
            return template.map(Some).ok_or_else(|| anyhow!("{} has no chat template: give a Jinja file", name()));
        }
        let text =
            fs::read_to_string(path).with_context(|| format!("{} cannot be read: give a file of text", name()))?;
        let template = match extension.as_str() {
            "json" => ChatTemplate::from_config(&text, None).map(Some),
            _ => beside(Some(&text)),
        };
        template.map_err(|error| anyhow!("{}: {error}", name()))
    }

    fn with_values(&self, mut template: ChatTemplate) -> anyhow::Result<ChatTemplate> {
        for pair in &self.template_value {
            let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                bail!("--template-value {pair}: give a name and a value, as enable_thinking=false");
            };
            template = match serde_json::from_str::<serde_json::Value>(value) {
                Ok(value) => template.with_variable(name, value)?,
                Err(_) => template.with_variable(name, value)?,
            };
        }
        match &self.template_date {
            None => Ok(template),
            Some(day) => match date(day) {
                Some(date) => Ok(template.with_now(date)),
                None => bail!("--template-date {day}: give a day as 2025-01-31"),
            },
        }
    }
}

/// The day written as `YYYY-MM-DD`.
fn date(day: &str) -> Option<DateTime> {
    let mut parts = day.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    DateTime::new(year, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?)
}

/// The error with the argument that is missing, where it is one of these.
pub fn with_advice(error: DataError) -> anyhow::Error {
    let argument = match &error {
        DataError::Chat(ChatError::NeedsTemplate) => "--template FILE, for none stands beside the tokenizer",
        DataError::Chat(ChatError::NoDate) => "--template-date YYYY-MM-DD",
        _ => return error.into(),
    };
    anyhow!("{error} ({argument})")
}
