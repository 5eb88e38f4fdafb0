//! `hearth check`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use hearth_model::{ParameterCount, TransformerConfig};
use hearth_train::{TrainConfig, report::with_separators};

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
        let (layers, width, context) = (model.layers, model.width, model.context_length);
        let size = size(model);
        writeln!(out, "model  {layers} blocks of {width} channels, windows of {context} tokens: {size}")?;
        let (steps, each) = (config.total_steps(), config.tokens_per_step());
        let [all, told, each] = [steps.saturating_mul(each), steps, each].map(with_separators);
        writeln!(out, "run    {told} steps of {each} tokens: {all} tokens")?;
        for odd in config.schedule.oddities(steps, config.optimizer.learning_rate) {
            writeln!(out, "note   {odd}")?;
        }
        if let Err(missing) = config.data.require_source(&self.config.display().to_string()) {
            writeln!(out, "note   {missing}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Number of parameters; where the tokenizer is not known, with what each token of its vocabulary adds.
fn size(model: &TransformerConfig) -> String {
    let total = |vocab_size| ParameterCount::of(&TransformerConfig { vocab_size, ..model.clone() }).total as u64;
    match model.vocab_size {
        0 => {
            let each = total(2) - total(1);
            format!("{} parameters and {each} for each token of the vocabulary", with_separators(total(1) - each))
        }
        known => format!("{} parameters", with_separators(total(known))),
    }
}
