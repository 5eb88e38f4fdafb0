//! `hearth generate`.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::bail;
use clap::Args;
use hearth_model::Sampling;
use hearth_train::{
    devices::{DeviceChoice, open},
    run::RunFolder,
    session::{Prompt, draw},
};

use crate::output::tell;

/// Continue a text with a trained model.
#[derive(Args)]
pub struct GenerateCommand {
    /// The folder that `hearth train` made, or one of its checkpoints.
    run: PathBuf,
    /// What the text continues. Without it, a text begins as documents do: behind the end-of-text token or, where there is
    /// none, at the start of a line.
    #[arg(long, allow_hyphen_values = true)]
    prompt: Option<String>,
    /// A file whose text is the prompt.
    #[arg(long, conflicts_with = "prompt")]
    prompt_file: Option<PathBuf>,
    /// Names of special tokens in the prompt mean those tokens, as in `<|endoftext|>`.
    #[arg(long)]
    special: bool,
    /// Tokens to draw. The text ends before that with the document, at the end-of-text token.
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
    /// End before this text; may be given many times.
    #[arg(long, allow_hyphen_values = true)]
    stop: Vec<String>,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

impl GenerateCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.stop.iter().any(String::is_empty) {
            bail!("--stop '': every text ends before an empty one; leave it out, or give the text that ends yours");
        }
        let text = match &self.prompt_file {
            Some(path) => Some(hearth_data::read_text(path)?),
            None => self.prompt.clone(),
        };
        let device = open(self.device)?;
        let trained = RunFolder::existing(self.run).load(&device.device)?;
        trained.note.iter().for_each(tell);
        let source = if self.prompt_file.is_some() { "--prompt-file" } else { "--prompt" };
        let prompt = Prompt::new(&trained.tokenizer, text.as_deref(), self.special, source)?;
        let (temperature, top_k, top_p, seed) = (self.temperature, self.top_k, self.top_p, self.seed);
        let sampling = Sampling { temperature, top_k, top_p, seed, ..Sampling::default() };
        let mut out = io::stdout().lock();
        let mut written = write!(out, "{}", prompt.text);
        let show = |text: &str| {
            written = write!(out, "{text}").and_then(|()| out.flush());
            if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let drawn = draw(&trained.model, &trained.tokenizer, &prompt, (self.tokens, sampling), &self.stop, show);
        pollster::block_on(drawn)?;
        written?;
        writeln!(out)?;
        Ok(ExitCode::SUCCESS)
    }
}
