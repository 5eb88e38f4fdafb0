//! `hearth generate`.

use std::{
    fs::File,
    io::{self, Read, StdoutLock, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::bail;
use clap::Args;
use hearth_model::Sampling;
use hearth_train::{
    devices::{DeviceChoice, open},
    run::{RunFolder, TrainedModel},
    session::{Drawn, Prompt, draw},
};
use serde::Serialize;

use crate::output::tell;

/// Stands between texts, as nanoGPT has it.
const BETWEEN: &str = "---------------";

/// Continue a text with a trained model.
#[derive(Args)]
pub struct GenerateCommand {
    /// The folder that `hearth train` made, one of its checkpoints, or a published model: a folder of Hugging Face's, or a .gguf file.
    run: PathBuf,
    /// What the text continues. Without it, a text begins as documents do: behind the end-of-text token or, where there is
    /// none, at the start of a line.
    #[arg(long, allow_hyphen_values = true)]
    prompt: Option<String>,
    /// A file whose text is the prompt; - for standard input.
    #[arg(long, conflicts_with = "prompt", allow_hyphen_values = true)]
    prompt_file: Option<PathBuf>,
    /// Names of special tokens in the prompt mean those tokens, as in `<|endoftext|>`.
    #[arg(long)]
    special: bool,
    /// Tokens to draw. The text ends before that with the document, at the end-of-text token.
    #[arg(long, default_value_t = 300)]
    tokens: usize,
    /// Texts to draw, with the seeds from --seed on.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    num: u64,
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
    /// Write a JSON object for each text, a line each, when it is done: seed, prompt, text, tokens, seconds, tokens_per_second,
    /// end.
    #[arg(long)]
    json: bool,
    /// Do not say on standard error how long it took.
    #[arg(long)]
    quiet: bool,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

/// What `--json` writes of a text.
#[derive(Serialize)]
struct Object<'a> {
    seed: u64,
    prompt: &'a str,
    /// What was drawn behind the prompt.
    text: &'a str,
    tokens: usize,
    seconds: f64,
    tokens_per_second: f64,
    end: &'a str,
}

/// How long texts took.
#[derive(Default)]
struct Total {
    tokens: usize,
    seconds: f64,
}

impl GenerateCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if self.stop.iter().any(String::is_empty) {
            bail!("--stop '': every text ends before an empty one; leave it out, or give the text that ends yours");
        }
        self.sampling(self.seed).validate()?;
        let text = match &self.prompt_file {
            Some(path) => Some(read_prompt(path)?),
            None => self.prompt.clone(),
        };
        let device = open(self.device)?;
        let trained = RunFolder::existing(self.run.clone()).load(&device.device)?;
        trained.note.iter().for_each(tell);
        let source = if self.prompt_file.is_some() { "--prompt-file" } else { "--prompt" };
        let mut prompt = Prompt::new(&trained.tokenizer, text.as_deref(), self.special, source)?;
        if let Some(first) = trained.first.filter(|first| !prompt.ids.starts_with(&[*first])) {
            prompt.ids.insert(0, first);
        }
        let mut out = io::stdout().lock();
        let mut total = Total::default();
        for at in 0..self.num {
            if at > 0 && !self.json {
                writeln!(out, "{BETWEEN}")?;
            }
            self.text(&trained, &prompt, self.seed.wrapping_add(at), (&mut out, &mut total))?;
        }
        if !self.json && !self.quiet {
            let Total { tokens, seconds } = total;
            let texts = if self.num > 1 { format!(" of {} texts", self.num) } else { String::new() };
            tell(format_args!("{tokens} tokens{texts} in {seconds:.2} s, {:.0} tokens/s", total.rate()));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn sampling(&self, seed: u64) -> Sampling {
        let (temperature, top_k, top_p) = (self.temperature, self.top_k, self.top_p);
        Sampling { temperature, top_k, top_p, seed, ..Sampling::default() }
    }

    /// Draws one text and writes it: as it becomes certain, or as an object at its end.
    fn text(
        &self,
        trained: &TrainedModel,
        prompt: &Prompt,
        seed: u64,
        (out, total): (&mut StdoutLock<'_>, &mut Total),
    ) -> anyhow::Result<()> {
        let mut written = if self.json { Ok(()) } else { write!(out, "{}", prompt.text) };
        let mut text = String::new();
        let show = async |piece: &str| {
            if self.json {
                text.push_str(piece);
            } else {
                written = write!(out, "{piece}").and_then(|()| out.flush());
            }
            if written.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let begun = Instant::now();
        let drawn =
            draw(&trained.model, &trained.tokenizer, prompt, (self.tokens, self.sampling(seed)), &self.stop, show);
        let Drawn { tokens, end, .. } = pollster::block_on(drawn)?;
        written?;
        let own = Total { tokens, seconds: begun.elapsed().as_secs_f64() };
        total.tokens += own.tokens;
        total.seconds += own.seconds;
        if self.json {
            let (tokens_per_second, seconds, prompt) = (own.rate(), own.seconds, &prompt.text);
            let object = Object { seed, prompt, text: &text, tokens, seconds, tokens_per_second, end: end.name() };
            serde_json::to_writer(&mut *out, &object).map_err(io::Error::from)?;
        }
        writeln!(out)?;
        out.flush()?;
        Ok(())
    }
}

impl Total {
    /// Tokens a second; 0 of none.
    fn rate(&self) -> f64 {
        if self.tokens == 0 { 0.0 } else { self.tokens as f64 / self.seconds.max(1e-9) }
    }
}

/// A longer prompt is something else.
const MAX_PROMPT_BYTES: u64 = 64 << 20;

/// The text of the file, or of standard input where that is meant.
fn read_prompt(path: &Path) -> anyhow::Result<String> {
    if path.is_dir() {
        bail!("--prompt-file {}: is a folder: name a file in it", path.display());
    }
    let (name, source): (&Path, io::Result<Box<dyn Read>>) = match path == Path::new("-") {
        true => (Path::new("standard input"), Ok(Box::new(io::stdin()))),
        false => (path, File::open(path).map(|file| Box::new(file) as _)),
    };
    let mut bytes = Vec::new();
    if let Err(error) = source.and_then(|source| source.take(MAX_PROMPT_BYTES + 1).read_to_end(&mut bytes)) {
        bail!("--prompt-file {}: {} cannot be read: {error}", path.display(), name.display());
    }
    if bytes.len() as u64 > MAX_PROMPT_BYTES {
        bail!(
            "--prompt-file {}: has more than 64 MiB, of which a model reads the end alone: give that",
            path.display()
        );
    }
    Ok(hearth_data::decode_text(bytes, name)?)
}
