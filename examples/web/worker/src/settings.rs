//! The page's settings and the configuration of a run.

use std::path::PathBuf;

use hearth_data::TokenizerKind;
use hearth_model::TransformerConfig;
use hearth_train::{ScheduleKind, TrainConfig, TrainError, config::TokenizerChoice};

use crate::messages::{Settings, TokenizerName, count};

/// Name of the text in a run's folder, natively too.
pub const TEXT: &str = "input.txt";

/// Batches of an evaluation: a second or so of the smallest model, so that a click is answered.
const EVALUATION_BATCHES: usize = 10;
/// Tokens of a sample.
const SAMPLE_TOKENS: usize = 160;

impl Settings {
    /// The configuration of a run on tokens of so many kinds.
    ///
    /// # Errors
    /// What does not go together, by its field.
    pub fn config(&self, vocabulary: usize) -> Result<TrainConfig, TrainError> {
        let refuse = |reason: &str| TrainError::Config { source_name: "settings".into(), reason: reason.into() };
        if self.steps == 0 {
            return Err(refuse("limits.steps = 0: give at least one step"));
        }
        let mut config = TrainConfig::new(self.model(vocabulary));
        config.seed = self.seed.into();
        config.data.text = Some(PathBuf::from(TEXT));
        config.data.stride = 1;
        config.data.tokenizer = TokenizerChoice::Kind(match self.tokenizer {
            TokenizerName::Char => TokenizerKind::Char,
            TokenizerName::Byte => TokenizerKind::Byte,
        });
        config.batch.micro_batch = self.batch;
        config.optimizer.learning_rate = self.learning_rate;
        config.optimizer.beta2 = 0.99;
        config.schedule.kind = ScheduleKind::Cosine;
        config.schedule.warmup_steps = self.warmup_steps.into();
        config.limits.steps = self.steps.into();
        config.evaluation.every = self.evaluate_every.into();
        config.evaluation.batches = EVALUATION_BATCHES;
        config.sample.every = self.sample_every.into();
        config.sample.tokens = SAMPLE_TOKENS;
        config.sample.prompt = (!self.prompt.is_empty()).then(|| self.prompt.clone());
        config.checkpoint.every = self.save_every.into();
        // The newest and one before it: all of them lie in the module's memory as well.
        config.checkpoint.keep_best = false;
        config.validate()?;
        Ok(config)
    }

    fn model(&self, vocabulary: usize) -> TransformerConfig {
        TransformerConfig {
            tied: true,
            init_std: 0.05,
            dropout: self.dropout,
            ..TransformerConfig::llama(vocabulary, self.context_length, self.layers, self.width, self.heads)
        }
    }

    /// What of a configuration the page can set, and whether that is all of it.
    pub fn of(config: &TrainConfig) -> (Self, bool) {
        let model = &config.model;
        let settings = Self {
            layers: model.layers,
            width: model.width,
            heads: model.heads,
            context_length: model.context_length,
            dropout: model.dropout,
            tokenizer: match config.data.tokenizer {
                TokenizerChoice::Kind(TokenizerKind::Byte) => TokenizerName::Byte,
                _ => TokenizerName::Char,
            },
            batch: config.batch.micro_batch * config.batch.accumulation,
            steps: count(config.total_steps()),
            learning_rate: config.optimizer.learning_rate,
            warmup_steps: count(config.schedule.warmup_steps),
            seed: count(config.seed),
            evaluate_every: count(config.evaluation.every),
            sample_every: count(config.sample.every),
            save_every: count(config.checkpoint.every),
            prompt: config.sample.prompt.clone().unwrap_or_default(),
        };
        let is_plain = settings.config(model.vocab_size).is_ok_and(|plain| plain == *config);
        (settings, is_plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::settings;

    #[test]
    fn a_configuration_has_the_settings_that_made_it() {
        let config = settings().config(65).unwrap();
        assert_eq!(Settings::of(&config), (settings(), true));
        let written = TrainConfig::parse(&config.to_toml(), "config.toml", &[]).unwrap();
        assert_eq!(written, config);
        let mut other = config;
        other.optimizer.weight_decay = 0.25;
        assert!(!Settings::of(&other).1);
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let refused = |settings: Settings| settings.config(65).unwrap_err().to_string();
        assert!(refused(Settings { heads: 3, ..settings() }).contains("heads"));
        assert!(refused(Settings { steps: 0, ..settings() }).contains("steps"));
        assert!(refused(Settings { learning_rate: -1.0, ..settings() }).contains("learning_rate"));
    }
}
