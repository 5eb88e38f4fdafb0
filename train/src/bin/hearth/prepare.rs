//! `hearth prepare`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{ArgGroup, Args, ValueEnum};
use hearth_data::{
    Corpus, Counts, DataError, FileFaults, OnFault, Outcome, Preparation, PrepareProgress, PrepareSettings,
    ReadOptions, Tokenizer,
};
use hearth_train::run::stop_on_ctrl_c;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::tell;

/// Turn files of text into token shards that `hearth train` reads (data.tokens). Stopped, it goes on where it was.
///
/// Plain text, .jsonl and .parquet files, and folders of them; text and JSON may end in .gz or .zst.
#[derive(Args)]
#[command(group = ArgGroup::new("ids").required(true).args(["tokenizer", "vocab_size"]))]
pub struct PrepareCommand {
    /// Files and folders.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The folder that the shards go to.
    #[arg(long)]
    out: PathBuf,
    /// `byte`, or a file: a Hugging Face tokenizer.json, tiktoken's ranks, or one that Hearth saved.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// Learn a byte-level BPE of so many ids from the first 256 MiB instead.
    #[arg(long)]
    vocab_size: Option<usize>,
    /// The JSON field or Parquet column that holds the text.
    #[arg(long, default_value = "text")]
    field: String,
    /// A line that ends a document in plain text, as `<|endoftext|>`.
    #[arg(long)]
    separator: Option<String>,
    /// What happens where a file is broken: end, or leave out what is broken and count it.
    #[arg(long, value_enum, default_value_t = Faulty::Fail)]
    faults: Faulty,
    /// Share of the documents that is held out for validation; each document's hash decides.
    #[arg(long, default_value_t = PrepareSettings::default().validation_fraction)]
    validation_fraction: f64,
    /// Tokens in a shard, at most.
    #[arg(long, default_value_t = PrepareSettings::default().shard_tokens)]
    shard_tokens: u64,
    /// Threads that encode; 0 for all cores.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Faulty {
    Fail,
    Skip,
}

/// Text that a tokenizer is learned from, at most.
const LEARNED_FROM: usize = 256 << 20;

/// Between two lines where there is no terminal to draw a bar on.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

impl PrepareCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let faults = match self.faults {
            Faulty::Fail => OnFault::Fail,
            Faulty::Skip => OnFault::Skip,
        };
        let options = ReadOptions { field: self.field.clone(), separator: self.separator.clone(), faults };
        let corpus = Corpus::open(&self.inputs, options.clone())?;
        let tokenizer = self.tokenizer(&corpus)?;
        let preparation = Preparation {
            tokenizer: &tokenizer,
            files: corpus.files(),
            reading: format!("field {}, separator {:?}, faults {faults:?}", options.field, options.separator),
            folder: &self.out,
            settings: PrepareSettings {
                validation_fraction: self.validation_fraction,
                shard_tokens: self.shard_tokens,
                threads: self.threads,
            },
        };
        let mut documents = corpus.documents();
        let mut display = ProgressDisplay::new(corpus.bytes());
        let stop = stop_on_ctrl_c();
        let summary = preparation.run(&mut documents, &stop, |progress| display.show(&progress))?;
        display.bar.finish_and_clear();
        show_faults(documents.faults());
        let done = match summary.outcome {
            Outcome::Finished => "finished",
            Outcome::AlreadyFinished => "was finished before",
            Outcome::Stopped => "stopped; the same command goes on from here",
        };
        let (folder, ids) = (self.out.display(), tokenizer.vocab_size());
        let mut out = io::stdout().lock();
        writeln!(out, "{folder}: {done}")?;
        writeln!(out, "train       {}", counts(&summary.train))?;
        writeln!(out, "validation  {}", counts(&summary.validation))?;
        writeln!(out, "vocabulary  {ids} ids; train with data.tokens = \"{folder}\"")?;
        Ok(if summary.outcome == Outcome::Stopped { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn tokenizer(&self, corpus: &Corpus) -> Result<Tokenizer, DataError> {
        let learned = self.out.join("tokenizer.json");
        match (&self.tokenizer, self.vocab_size) {
            (Some(name), _) if name == Path::new("byte") => Ok(Tokenizer::byte()),
            (Some(file), _) => Tokenizer::from_file(file),
            // Of an earlier run that was stopped.
            (None, _) if learned.exists() => Tokenizer::from_file(learned),
            (None, vocab_size) => learn(corpus, vocab_size.unwrap_or_default()),
        }
    }
}

/// A tokenizer of the corpus' first texts.
fn learn(corpus: &Corpus, vocab_size: usize) -> Result<Tokenizer, DataError> {
    tell(format_args!("learning a tokenizer of {vocab_size} ids"));
    let mut fault = None;
    let mut left = LEARNED_FROM;
    let texts = corpus.documents().map_while(|piece| match piece {
        Ok(piece) => {
            left = left.checked_sub(piece.text.len())?;
            Some(piece.text)
        }
        Err(error) => {
            fault = Some(error);
            None
        }
    });
    let tokenizer = Tokenizer::train_bpe(texts, vocab_size)?;
    fault.map_or(Ok(tokenizer), Err)
}

/// What is seen while it goes on.
struct ProgressDisplay {
    bar: ProgressBar,
    start: Instant,
    last_line: Instant,
}

impl ProgressDisplay {
    fn new(bytes: u64) -> Self {
        let style = ProgressStyle::with_template(
            "{elapsed_precise} [{bar:24}] {bytes}/{total_bytes}  {bytes_per_sec}  {wide_msg}  left {eta}",
        );
        let style = style.expect("the template is fixed").progress_chars("=> ");
        let now = Instant::now();
        Self { bar: ProgressBar::new(bytes).with_style(style), start: now, last_line: now }
    }

    fn show(&mut self, progress: &PrepareProgress) {
        let PrepareProgress { bytes_read, documents, tokens } = *progress;
        let text = format!("{documents} documents, {tokens} tokens");
        if self.bar.is_hidden() {
            if self.last_line.elapsed() >= BETWEEN_LINES {
                self.last_line = Instant::now();
                let megabytes = bytes_read as f64 / 1e6;
                let speed = megabytes / self.start.elapsed().as_secs_f64();
                tell(format_args!("{megabytes:.0} MB read, {text}, {speed:.1} MB/s"));
            }
            return;
        }
        self.bar.set_position(bytes_read);
        self.bar.set_message(text);
    }
}

fn counts(counts: &Counts) -> String {
    format!("{} tokens, {} documents, {} shards", counts.tokens, counts.documents, counts.shards)
}

fn show_faults(faults: &FileFaults) {
    if faults.total() == 0 {
        return;
    }
    tell(format_args!("left out: {} places, the first of them:", faults.total()));
    for fault in faults.first() {
        tell(format_args!("  {fault}"));
    }
}
