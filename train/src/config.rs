//! What a run is: one TOML file, every field with its unit and its default.

use std::path::{Path, PathBuf};

use hearth_data::TokenizerKind;
use hearth_model::TransformerConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{
    TrainError,
    optim::{OptimizerConfig, Schedule},
};

/// A training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Decides initial weights, the order of the data and dropout. Default 0.
    #[serde(default)]
    pub seed: u64,
    /// The text and how it is cut.
    pub data: DataConfig,
    /// The model: all fields of [`TransformerConfig`], or `preset = "NAME"` and what differs from it.
    pub model: TransformerConfig,
    /// How many sequences a step has.
    #[serde(default)]
    pub batch: BatchConfig,
    /// AdamW and clipping.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// The learning rate's course.
    #[serde(default)]
    pub schedule: Schedule,
    /// Extras of the loss.
    #[serde(default)]
    pub loss: LossConfig,
    /// When the run ends.
    pub limits: Limits,
    /// Validation while training.
    #[serde(default)]
    pub evaluation: EvaluationConfig,
    /// Sample texts while training.
    #[serde(default)]
    pub sample: SampleConfig,
}

/// The text and how it is cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A UTF-8 text file; relative to the configuration file.
    pub text: PathBuf,
    /// `char` (one id per distinct character, default) or `byte` (256 ids).
    #[serde(default = "default_tokenizer")]
    pub tokenizer: TokenizerKind,
    /// Share of the text, from its end, that is held out for validation. Default 0.1.
    #[serde(default = "default_validation_fraction")]
    pub validation_fraction: f64,
}

/// How many sequences a step has: `micro_batch * accumulation`, each of `model.context_length` tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BatchConfig {
    /// Sequences that are on the device at once. Default 8.
    pub micro_batch: usize,
    /// Micro-batches whose gradients are summed before an update. Default 1.
    pub accumulation: usize,
}

/// Extras of the loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Weight of the squared log-normaliser (PaLM uses 1e-4). Default 0.
    pub z_loss: f64,
}

/// When the run ends: after so many steps, or so many training tokens, whichever comes first. 0 sets no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Updates.
    pub steps: u64,
    /// Training tokens; the last step is the one that reaches it.
    pub tokens: u64,
}

/// Validation while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluationConfig {
    /// Steps between evaluations; 0 evaluates at the end only. Default 250.
    pub every: u64,
    /// Batches of `micro_batch` sequences, spread evenly over the validation text, the same each time. Default 20.
    pub batches: usize,
}

/// Sample texts while training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SampleConfig {
    /// Steps between samples; 0 draws none. Default 0.
    pub every: u64,
    /// What the text continues. Default a line break.
    pub prompt: String,
    /// Tokens to draw. Default 200.
    pub tokens: usize,
    /// Divides the logits; 0 takes the likeliest token. Default 0.8.
    pub temperature: f64,
    /// Draw among so many likeliest tokens; 0 for all. Default 0.
    pub top_k: usize,
}

fn default_tokenizer() -> TokenizerKind {
    TokenizerKind::Char
}

fn default_validation_fraction() -> f64 {
    0.1
}

impl Default for BatchConfig {
    fn default() -> Self {
        Self { micro_batch: 8, accumulation: 1 }
    }
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self { every: 250, batches: 20 }
    }
}

impl Default for SampleConfig {
    fn default() -> Self {
        Self { every: 0, prompt: "\n".into(), tokens: 200, temperature: 0.8, top_k: 0 }
    }
}

impl TrainConfig {
    /// Reads a TOML file and then applies `settings`, each `section.field=value` as given to `--set`.
    ///
    /// # Errors
    /// [`TrainError::Config`] names the file, the field and what is wrong with it.
    pub fn read(path: &Path, settings: &[String]) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|source| TrainError::Io {
            action: "reading the configuration",
            path: path.into(),
            source,
        })?;
        let mut config = Self::parse(&text, &path.display().to_string(), settings)?;
        let text = path.parent().unwrap_or(Path::new("")).join(&config.data.text);
        config.data.text = std::path::absolute(&text).unwrap_or(text);
        Ok(config)
    }

    /// As [`TrainConfig::read`], from a text; `source` names it in errors, and paths stay as they are.
    ///
    /// # Errors
    /// As [`TrainConfig::read`].
    pub fn parse(text: &str, source: &str, settings: &[String]) -> Result<Self, TrainError> {
        let fail = |reason: String| TrainError::Config { source_name: source.into(), reason };
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
            fail(format!("line {line}: {}", error.message().trim()))
        })?;
        for setting in settings {
            set(&mut table, setting)?;
        }
        expand_preset(&mut table)?;
        let config: Self = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
            let path = error.path().to_string();
            let message = error.inner().message().trim().replace('\n', " ");
            fail(if path == "." { message } else { format!("{path}: {message}") })
        })?;
        config.validate(source)?;
        Ok(config)
    }

    /// The configuration as TOML, with every default written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration is a table of plain values")
    }

    /// Tokens of one step.
    pub fn tokens_per_step(&self) -> u64 {
        (self.batch.micro_batch * self.batch.accumulation * self.model.context_length) as u64
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        let by_tokens = match self.limits.tokens {
            0 => u64::MAX,
            tokens => tokens.div_ceil(self.tokens_per_step()),
        };
        match self.limits.steps {
            0 => by_tokens,
            steps => steps.min(by_tokens),
        }
    }

    fn validate(&self, source: &str) -> Result<(), TrainError> {
        let refuse = |field: &str, value: &dyn std::fmt::Display, reason: &str| {
            Err(TrainError::Config { source_name: source.into(), reason: format!("{field} = {value}: {reason}") })
        };
        // A vocabulary of 0 is filled in from the tokenizer later; everything else is checked now.
        let vocab_size = self.model.vocab_size.max(1);
        TransformerConfig { vocab_size, ..self.model.clone() }
            .validate()
            .map_err(|error| TrainError::Config { source_name: source.into(), reason: error.to_string() })?;
        for (field, value) in [
            ("batch.micro_batch", self.batch.micro_batch),
            ("batch.accumulation", self.batch.accumulation),
            ("evaluation.batches", self.evaluation.batches),
        ] {
            if !(1..=1 << 20).contains(&value) {
                return refuse(field, &value, "must be from 1 to 1048576");
            }
        }
        if self.limits.steps == 0 && self.limits.tokens == 0 {
            return refuse("limits.steps", &0, "set limits.steps or limits.tokens, or the run would never end");
        }
        let optimizer = &self.optimizer;
        for (field, value, low, high) in [
            ("optimizer.learning_rate", optimizer.learning_rate, 0.0, f64::MAX),
            ("optimizer.weight_decay", optimizer.weight_decay, 0.0, f64::MAX),
            ("optimizer.clip_norm", optimizer.clip_norm, 0.0, f64::MAX),
            ("optimizer.eps", optimizer.eps, f64::MIN_POSITIVE, f64::MAX),
            ("schedule.final_learning_rate", self.schedule.final_learning_rate, 0.0, f64::MAX),
            ("loss.z_loss", self.loss.z_loss, 0.0, f64::MAX),
            ("sample.temperature", self.sample.temperature, 0.0, f64::MAX),
        ] {
            if !(low..=high).contains(&value) {
                return refuse(field, &value, if low > 0.0 { "must be positive" } else { "must be 0 or more" });
            }
        }
        for (field, value) in [("optimizer.beta1", optimizer.beta1), ("optimizer.beta2", optimizer.beta2)] {
            if !(0.0..1.0).contains(&value) {
                return refuse(field, &value, "must be at least 0 and under 1");
            }
        }
        Ok(())
    }
}

/// Puts the value of `section.field=value` into the table.
fn set(table: &mut Table, setting: &str) -> Result<(), TrainError> {
    let fail = |reason: &str| TrainError::Config { source_name: format!("--set {setting}"), reason: reason.into() };
    let (path, value) = setting.split_once('=').ok_or_else(|| fail("must read section.field=value"))?;
    // `value = 3` is TOML; a bare word is not, and is meant as a string.
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    let value = parsed.unwrap_or_else(|| Value::String(value.trim().into()));
    let mut fields: Vec<&str> = path.trim().split('.').collect();
    let last = fields.pop().filter(|name| !name.is_empty()).ok_or_else(|| fail("names no field"))?;
    let mut inner = table;
    for field in fields {
        inner = inner
            .entry(field)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| fail("names a field of something that is not a section"))?;
    }
    inner.insert(last.into(), value);
    Ok(())
}

/// Replaces `model.preset` by the fields that it stands for; fields written beside it win.
fn expand_preset(table: &mut Table) -> Result<(), TrainError> {
    let Some(Value::Table(model)) = table.get_mut("model") else { return Ok(()) };
    let Some(Value::String(name)) = model.remove("preset") else { return Ok(()) };
    let mut preset = Table::try_from(hearth_model::preset(&name)?).expect("a preset is a table of plain values");
    // The tokenizer decides the vocabulary, unless the file does.
    preset.remove("vocab_size");
    preset.extend(std::mem::take(model));
    *model = preset;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "[data]\ntext = \"a.txt\"\n[model]\npreset = \"shakespeare-cpu\"\n[limits]\nsteps = 10\n";

    fn error(text: &str, settings: &[&str]) -> String {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        TrainConfig::parse(text, "run.toml", &settings).unwrap_err().to_string()
    }

    #[test]
    fn a_preset_and_what_differs() {
        let settings = ["model.layers=2".to_string(), "optimizer.learning_rate = 3e-4".into(), "seed=7".into()];
        let config = TrainConfig::parse(MINIMAL, "run.toml", &settings).unwrap();
        assert_eq!((config.model.layers, config.model.width, config.model.vocab_size), (2, 128, 0));
        assert_eq!((config.optimizer.learning_rate, config.seed), (3e-4, 7));
        assert_eq!(TrainConfig::parse(&config.to_toml(), "effective", &[]).unwrap(), config);
    }

    #[test]
    fn limits_by_steps_and_tokens() {
        let total = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
            TrainConfig::parse(MINIMAL, "run.toml", &settings).unwrap().total_steps()
        };
        assert_eq!(total(&[]), 10);
        // 8 sequences of 64 tokens are 512 a step.
        assert_eq!(total(&["limits.tokens=1025"]), 3);
        assert_eq!(total(&["limits.tokens=1025", "limits.steps=0"]), 3);
        assert_eq!(total(&["limits.tokens=1000000"]), 10);
    }

    #[test]
    fn each_fault_is_one_sentence_that_names_the_field() {
        let unknown = error(&format!("{MINIMAL}stepz = 3\n"), &[]);
        assert!(unknown.starts_with("run.toml: limits.stepz: unknown field `stepz`"), "{unknown}");
        let kind = error(MINIMAL, &["batch.micro_batch=many"]);
        assert!(kind.starts_with("run.toml: batch.micro_batch: invalid type"), "{kind}");
        let heads = error(MINIMAL, &["model.heads=5"]);
        assert!(heads.starts_with("run.toml: model.heads = 5: must divide width = 128"), "{heads}");
        let syntax = error("[data]\ntext = \n", &[]);
        assert!(syntax.starts_with("run.toml: line 2: "), "{syntax}");
        let preset = error(MINIMAL, &["model.preset=gpt5"]);
        assert!(preset.starts_with("unknown preset \"gpt5\"; the presets are shakespeare-cpu"), "{preset}");
        let endless = error(MINIMAL, &["limits.steps=0"]);
        assert!(endless.contains("set limits.steps or limits.tokens"), "{endless}");
        assert_eq!(error(MINIMAL, &["seed"]), "--set seed: must read section.field=value");
        for message in [unknown, kind, heads, syntax, preset, endless] {
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
