//! `hearth prepare`.

mod chat;
mod display;
mod preview;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use clap::{ArgGroup, Args, ValueEnum};
use hearth_data::{
    Corpus, FileFaults, OnFault, Outcome, Preparation, PrepareSettings, PrepareSummary, ReadOptions, Tokenizer,
    TokenizerOptions, tokenizer_of_shards,
};
use hearth_train::run::stop_on_ctrl_c;

use self::{
    chat::{ChatArguments, with_advice},
    display::{ProgressDisplay, counts, row_counts, show_faults, show_left_out, show_rows_left_out},
    preview::preview,
};
use crate::output::tell;

/// Turn files of text, or of chats, into token shards that `hearth train` reads (data.tokens). Stopped, it goes on where it was.
///
/// Plain text, .json, .jsonl, .csv, .tsv and .parquet files, and folders of them; all but Parquet may be compressed (.gz,
/// .zst, .xz, .bz2). `-` is standard input: plain text or JSON.
#[derive(Args)]
#[command(group = ArgGroup::new("ids").required(true).args(["tokenizer", "vocab_size"]))]
pub struct PrepareCommand {
    /// Files and folders.
    #[arg(required = true)]
    inputs: Vec<PathBuf>,
    /// The folder that the shards go to.
    #[arg(long, required_unless_present = "preview")]
    out: Option<PathBuf>,
    /// `byte`, or a file or folder: a tokenizer of Hugging Face, SentencePiece, tiktoken or Hearth (docs/tokenizers.md).
    #[arg(long)]
    tokenizer: Option<PathBuf>,
    /// The regular expression that cuts text into words, for tiktoken's ranks of an unknown tokenizer.
    #[arg(long)]
    pattern: Option<String>,
    /// The token between documents, by its name. Without it, the separator if that is one, else what files beside the
    /// tokenizer's say, else known names.
    #[arg(long, value_name = "TOKEN")]
    end_of_text: Option<String>,
    /// Learn a byte-level BPE of so many ids from the first 256 MiB instead.
    #[arg(long)]
    vocab_size: Option<usize>,
    /// The JSON field (`data.text` is one in another) or the column that holds the text.
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
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=1024))]
    threads: u16,
    #[command(flatten)]
    chat: ChatArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum Faulty {
    Fail,
    Skip,
}

/// Text that a tokenizer is learned from, at most.
const LEARNED_FROM: usize = 256 << 20;

impl PrepareCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let faults = match self.faults {
            Faulty::Fail => OnFault::Fail,
            Faulty::Skip => OnFault::Skip,
        };
        self.refuse_output_as_input()?;
        if let Some(separator) =
            self.separator.as_deref().filter(|it| it.trim().is_empty() || it.contains(['\n', '\r']))
        {
            bail!(
                "--separator {separator:?}: give what stands on a line of its own between two documents, as '<|endoftext|>'"
            );
        }
        let options = ReadOptions { field: self.field.clone(), separator: self.separator.clone(), faults };
        let corpus = Corpus::open(&self.inputs, options)?;
        show_left_out(corpus.left_out());
        let tokenizer = self.tokenizer(&corpus)?;
        if let Some(number) = self.chat.preview {
            preview(&corpus, &tokenizer, &self.chat.settings(self.tokenizer.as_deref())?, number)?;
            return Ok(ExitCode::SUCCESS);
        }
        let preparation = Preparation {
            tokenizer: &tokenizer,
            vocab_size: self.vocab_size,
            files: corpus.files(),
            reading: corpus.options(),
            folder: self.folder(),
            settings: PrepareSettings {
                validation_fraction: self.validation_fraction,
                shard_tokens: self.shard_tokens,
                threads: self.threads.into(),
            },
        };
        let summary = self.prepare(&preparation, &corpus, &tokenizer)?;
        self.show_summary(&summary, &corpus, tokenizer.vocab_size())
    }

    fn prepare(
        &self,
        preparation: &Preparation<Tokenizer>,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
    ) -> anyhow::Result<PrepareSummary> {
        let rows = match self.chat.chat {
            true => Some(self.chat.settings(self.tokenizer.as_deref())?),
            false => None,
        };
        let mut display = ProgressDisplay::new(corpus.bytes());
        let mut documents = if rows.is_some() { corpus.rows() } else { corpus.documents_for(tokenizer) };
        let (stop, mut left_out) = (stop_on_ctrl_c(), FileFaults::default());
        let show = |progress| display.show(&progress);
        let summary = match &rows {
            Some(rows) => preparation.run_rows(rows, &mut documents, &mut left_out, &stop, show),
            None => {
                warn_of_no_end(tokenizer);
                preparation.run(&mut documents, &stop, show)
            }
        };
        display.bar.finish_and_clear();
        show_faults(documents.faults());
        show_rows_left_out(&left_out);
        summary.map_err(with_advice)
    }

    fn show_summary(&self, summary: &PrepareSummary, corpus: &Corpus, ids: usize) -> anyhow::Result<ExitCode> {
        let done = match summary.outcome {
            Outcome::Finished => "finished",
            Outcome::AlreadyFinished => "was finished before",
            Outcome::Stopped if corpus.reads_standard_input() => "stopped; standard input cannot be gone on with",
            Outcome::Stopped => "stopped; the same command goes on from here",
        };
        let folder = self.folder().display();
        let mut out = io::stdout().lock();
        writeln!(out, "{folder}: {done}")?;
        let counted = |part| if self.chat.chat { row_counts(part, summary.pairs) } else { counts(part) };
        writeln!(out, "train       {}", counted(&summary.train))?;
        writeln!(out, "validation  {}", counted(&summary.validation))?;
        if summary.outcome == Outcome::Stopped {
            writeln!(out, "vocabulary  {ids} ids")?;
            return Ok(ExitCode::FAILURE);
        }
        let packing = if self.chat.chat { " and data.packing = \"documents\"" } else { "" };
        match summary.pairs {
            true => writeln!(out, "vocabulary  {ids} ids; pairs of preferences")?,
            false => writeln!(out, "vocabulary  {ids} ids; train with data.tokens = \"{folder}\"{packing}")?,
        }
        self.warn_of_an_empty_part(summary);
        Ok(ExitCode::SUCCESS)
    }

    /// The folder that is written; of a preview none.
    fn folder(&self) -> &Path {
        self.out.as_deref().unwrap_or(Path::new(""))
    }

    /// A hash decides where each document goes, so that of few documents none may go to one of the parts.
    fn warn_of_an_empty_part(&self, summary: &PrepareSummary) {
        let fraction = self.validation_fraction;
        let advice = "prepare into another folder with --validation-fraction";
        if summary.validation.tokens == 0 && fraction > 0.0 {
            tell(format_args!(
                "no document went to validation at --validation-fraction {fraction}: {advice} 0.1 or more, or with 0 to \
                 train without validation"
            ));
        }
        if summary.train.tokens == 0 {
            tell(format_args!(
                "no document went to training at --validation-fraction {fraction}: {advice} 0.1 or less"
            ));
        }
    }

    /// Shards among the files that are read would be read the next time.
    fn refuse_output_as_input(&self) -> anyhow::Result<()> {
        let is_output = |input: &&PathBuf| match (input.canonicalize(), self.folder().canonicalize()) {
            (Ok(input), Ok(out)) => input == out,
            _ => false,
        };
        match self.inputs.iter().find(is_output) {
            Some(input) => bail!("--out is {}, which is read: give a folder of its own", input.display()),
            None => Ok(()),
        }
    }

    /// The tokenizer, with the token between documents that was asked for.
    fn tokenizer(&self, corpus: &Corpus) -> anyhow::Result<Tokenizer> {
        let is_read = self.tokenizer.as_deref().is_some_and(|name| name != Path::new("byte"));
        if let Some(pattern) = self.pattern.as_ref().filter(|_| !is_read) {
            bail!("--pattern '{pattern}' cuts text into words for tiktoken's ranks: give their file in --tokenizer");
        }
        let tokenizer = self.bare_tokenizer(corpus)?;
        let is_special = |name: &&String| tokenizer.id_of(name).is_some_and(|id| tokenizer.special_ids().contains(&id));
        Ok(match self.end_of_text.as_ref().or(self.separator.as_ref().filter(is_special)) {
            Some(name) => tokenizer.clone().with_end_of_text(name)?,
            None => tokenizer,
        })
    }

    fn bare_tokenizer(&self, corpus: &Corpus) -> anyhow::Result<Tokenizer> {
        Ok(match (&self.tokenizer, self.vocab_size) {
            (Some(name), _) if name == Path::new("byte") => Tokenizer::byte(),
            (Some(file), _) => {
                Tokenizer::open(file, &TokenizerOptions { pattern: self.pattern.clone(), end_of_text: None })?
            }
            (None, vocab_size) => match tokenizer_of_shards(self.folder())? {
                // Of an earlier run that was stopped.
                Some(learned) => learned,
                None => learn(corpus, vocab_size.unwrap_or_default())?,
            },
        })
    }
}

/// Documents that nothing parts are one text to a model that does not look for their ends.
fn warn_of_no_end(tokenizer: &Tokenizer) {
    if tokenizer.end_of_text().is_none() {
        tell(
            "nothing stands between documents, for the tokenizer has no token that is known to end them: name one with \
             --end-of-text, or train with data.packing = \"documents\", which keeps them apart",
        );
    }
}

/// A tokenizer of the corpus' first texts.
fn learn(corpus: &Corpus, vocab_size: usize) -> anyhow::Result<Tokenizer> {
    if corpus.reads_standard_input() {
        bail!(
            "--vocab-size {vocab_size}: standard input is read once, and learning a tokenizer takes a reading of its own: \
             give --tokenizer, or files"
        );
    }
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
    let tokenizer = Tokenizer::train_bpe(texts, vocab_size);
    // Without its first texts a tokenizer may not be learned either: the fault says why.
    match fault {
        Some(fault) => Err(fault.into()),
        None => Ok(tokenizer?),
    }
}
