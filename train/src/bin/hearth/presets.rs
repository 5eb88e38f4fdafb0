//! `hearth presets`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use hearth_model::{PRESETS, ParameterCount, Positions, preset};
use hearth_train::TrainConfig;

/// List the published shapes that `model.preset` names, or the fields of one.
#[derive(Args)]
pub struct PresetsCommand {
    /// The preset whose fields are shown, as they stand in a file.
    name: Option<String>,
}

impl PresetsCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut out = io::stdout().lock();
        if let Some(name) = &self.name {
            // Its mistakes are told as those of a file.
            let model = TrainConfig::parse("", "hearth presets", &[format!("model.preset={name}")])?.model;
            write!(out, "[model]\n{}", toml::to_string(&model)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "preset           parameters  layers  width  heads  context  vocabulary  family")?;
        for name in PRESETS {
            let model = preset(name)?;
            let millions = ParameterCount::of(&model).total as f64 / 1e6;
            let family = if model.positions == Positions::Learned { "GPT-2" } else { "Llama" };
            writeln!(
                out,
                "{name:16} {millions:8.1} M  {:6}  {:5}  {:5}  {:7}  {:10}  {family}",
                model.layers, model.width, model.heads, model.context_length, model.vocab_size,
            )?;
        }
        writeln!(
            out,
            "`hearth presets NAME` shows the fields of one, `hearth init --preset NAME` writes a configuration of it."
        )?;
        writeln!(out, "The vocabulary is the tokenizer's, unless model.vocab_size says another.")?;
        Ok(ExitCode::SUCCESS)
    }
}
