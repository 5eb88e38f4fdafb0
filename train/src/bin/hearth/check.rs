//! `hearth check`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use hearth_model::ParameterCount;
use hearth_train::TrainConfig;

use crate::overrides::Overrides;

/// Tell all that is wrong with a configuration; its data need not be there.
#[derive(Args)]
pub struct CheckCommand {
    /// The configuration of a run.
    config: PathBuf,
    #[command(flatten)]
    overrides: Overrides,
}

impl CheckCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let config = TrainConfig::read(&self.config, &self.overrides.all())?;
        let mut out = io::stdout().lock();
        writeln!(out, "{}: nothing is wrong", self.config.display())?;
        let model = &config.model;
        let (parameters, tokenizers) = match model.vocab_size {
            0 => {
                let known = hearth_model::TransformerConfig { vocab_size: 1, ..model.clone() };
                let [two, one] = [2, 1].map(|vocab_size| {
                    ParameterCount::of(&hearth_model::TransformerConfig { vocab_size, ..known.clone() }).total
                });
                (one - (two - one), format!(" and {} for each token of the tokenizer's vocabulary", two - one))
            }
            _ => (ParameterCount::of(model).total, String::new()),
        };
        let (layers, width, context) = (model.layers, model.width, model.context_length);
        writeln!(
            out,
            "model  {layers} blocks of {width} channels, windows of {context} tokens: {parameters} parameters{tokenizers}"
        )?;
        let (steps, each) = (config.total_steps(), config.tokens_per_step());
        writeln!(out, "run    {steps} steps of {each} tokens: {} tokens", steps.saturating_mul(each))?;
        for odd in config.schedule.oddities(steps, config.optimizer.learning_rate) {
            writeln!(out, "note   {odd}")?;
        }
        if let Err(missing) = config.data.require_source(&self.config.display().to_string()) {
            writeln!(out, "note   {missing}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
