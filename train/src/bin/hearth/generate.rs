//! `hearth generate`.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use hearth_model::{Sampling, generate};
use hearth_train::{
    devices::{DeviceChoice, open},
    run::RunFolder,
};

/// Continue a text with a trained model.
#[derive(Args)]
pub struct GenerateCommand {
    /// The folder that `hearth train` made.
    run: PathBuf,
    /// What the text continues.
    #[arg(long, default_value = "\n")]
    prompt: String,
    /// Tokens to draw.
    #[arg(long, default_value_t = 300)]
    tokens: usize,
    /// Divides the logits; 0 always takes the likeliest token.
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// Draw among so many likeliest tokens; 0 for all.
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Draw among the likeliest tokens that together reach this probability.
    #[arg(long, default_value_t = 1.0)]
    top_p: f64,
    /// The same seed and prompt give the same text.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// End once the text ends in this.
    #[arg(long)]
    stop: Option<String>,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

impl GenerateCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let device = open(self.device)?;
        let (_, tokenizer, model) = RunFolder::existing(self.run).load(&device.device)?;
        let prompt = tokenizer.encode(&self.prompt)?;
        let sampling =
            Sampling { temperature: self.temperature, top_k: self.top_k, top_p: self.top_p, seed: self.seed };
        let mut out = io::stdout().lock();
        write!(out, "{}", self.prompt)?;
        let mut ids = Vec::new();
        let mut shown = 0;
        let mut written = Ok(());
        let on_token = |id| {
            ids.push(id);
            // Bytes of one character may come in several tokens: show only what cannot change any more.
            let Ok(text) = tokenizer.decode(&ids) else { return ControlFlow::Break(()) };
            let whole = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
            if let Some(new) = whole.get(shown..) {
                written = write!(out, "{new}").and_then(|()| out.flush());
                shown = whole.len();
            }
            let stopped = self.stop.as_ref().is_some_and(|stop| text.ends_with(stop));
            if stopped || written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        pollster::block_on(generate(&model, &prompt, self.tokens, &sampling, on_token))?;
        written?;
        writeln!(out)?;
        Ok(ExitCode::SUCCESS)
    }
}
