//! `hearth export`.

mod beside;
mod card;
mod hub;
mod source;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::bail;
use clap::{Args, ValueEnum};
use hearth_gguf::MetadataValue;
use hearth_model::weights::{Export, Exported, Precision, SpecialIds, save_peft};
use hearth_train::report::with_separators;
use indicatif::ProgressBar;

use self::{beside::Beside, source::Source};
use crate::output::tell;

/// The forms of other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A folder of Hugging Face's library: config.json, safetensors, tokenizer, model card.
    Hf,
    /// A file of llama.cpp, with its tokenizer.
    Gguf,
    /// A folder of PEFT's: the adapters of a run alone, to be put beside the model that it began with.
    Peft,
    /// A .bin of llama2.c, without a tokenizer.
    #[value(name = "llama2c")]
    Llama2c,
}

/// Write a model for other programs: transformers, llama.cpp, llama2.c.
#[derive(Args)]
pub struct ExportCommand {
    /// The folder that `hearth train` made, one of its checkpoints, or a published model: a folder of Hugging Face's, a .gguf file, or a .bin of llama2.c.
    #[arg(value_name = "RUN|FOLDER|FILE")]
    run: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    to: Form,
    /// How weights are stored: f32, f16, bf16, and in GGUF q8_0.
    #[arg(long, default_value = "f32", value_parser = str::parse::<Precision>)]
    dtype: Precision,
    /// The folder, or the file, that is made.
    #[arg(long)]
    out: PathBuf,
    /// Replace what stands there, if it is a model.
    #[arg(long)]
    force: bool,
    /// Leave the tokenizer out.
    #[arg(long)]
    without_tokenizer: bool,
}

impl ExportCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.check()?;
        let beside = Beside::claim(&self.out, self.force, [Form::Hf, Form::Peft].contains(&self.to))?;
        let mut source = Source::load(&self.run)?;
        if self.without_tokenizer {
            source.tokenizer = None;
        }
        source.note.iter().for_each(tell);
        let bar = ProgressBar::new(0);
        let end = source.tokenizer.as_ref().and_then(hearth_data::Tokenizer::end_of_text);
        let export = Export::new(&source.model, self.dtype).special(SpecialIds { begin: source.first, end }).progress(
            |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            },
        );
        let made = self.write(&export, &source, beside.path());
        bar.finish_and_clear();
        let made = made?;
        beside.finish(&self.out)?;
        for note in &made.notes {
            tell(format_args!("note: {note}"));
        }
        self.summarise(&source, &made)
    }

    /// What needs no model to be told.
    fn check(&self) -> anyhow::Result<()> {
        match (self.to, self.dtype) {
            (Form::Hf, Precision::Q8_0) => {
                bail!("--dtype q8_0: is of GGUF alone: give f32, f16 or bf16, or --to gguf")
            }
            (Form::Peft, dtype) if dtype != Precision::F32 => {
                bail!("--dtype {}: adapters are written as f32: leave it out", dtype.name())
            }
            (Form::Llama2c, dtype) if dtype != Precision::F32 => {
                bail!("--dtype {}: llama2.c's .bin has f32 alone: leave it out", dtype.name())
            }
            (Form::Gguf, _) if self.out.extension().is_none_or(|it| !it.eq_ignore_ascii_case("gguf")) => {
                bail!("--out {}: a file of GGUF is known by its name: let it end in .gguf", self.out.display())
            }
            (Form::Llama2c, _) if self.out.extension().is_none_or(|it| !it.eq_ignore_ascii_case("bin")) => {
                bail!("--out {}: a file of llama2.c is known by its name: let it end in .bin", self.out.display())
            }
            _ => Ok(()),
        }
    }

    fn write(&self, export: &Export, source: &Source, path: &Path) -> anyhow::Result<Exported> {
        Ok(match self.to {
            Form::Hf => {
                let mut made = export.hugging_face(path)?;
                made.notes.extend(hub::write(source, &made, path)?);
                made
            }
            Form::Gguf => export.gguf(path, self.metadata(source)?)?,
            Form::Peft => save_peft(&source.model, &base_of(source), path)?,
            Form::Llama2c => {
                let mut made = export.llama2c(path)?;
                made.notes.push("llama2.c's run needs a tokenizer.bin beside it, which its tokenizer.py makes".into());
                made
            }
        })
    }

    /// What a file of GGUF says besides the architecture.
    fn metadata(&self, source: &Source) -> anyhow::Result<Vec<(String, MetadataValue)>> {
        let text = |value: &str| MetadataValue::String(value.into());
        let mut metadata = vec![
            ("general.type".to_string(), text("model")),
            ("general.name".to_string(), text(&source.name)),
            ("general.quantized_by".to_string(), text(concat!("Hearth ", env!("CARGO_PKG_VERSION")))),
        ];
        if !self.without_tokenizer {
            metadata.extend(source.gguf_tokenizer()?);
        }
        Ok(metadata)
    }

    fn summarise(&self, source: &Source, made: &Exported) -> anyhow::Result<ExitCode> {
        let parameters = match self.to {
            Form::Peft => made.bytes / size_of::<f32>() as u64,
            _ => source.parameters(),
        };
        let parameters = with_separators(parameters);
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "{}: {} with {parameters} parameters, {} tensors in {}, {:.1} MB",
            self.out.display(),
            made.architecture,
            made.tensors,
            self.dtype.name(),
            made.bytes as f64 / 1e6
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What adapters are to be put beside: the name of a published model, or its path.
fn base_of(source: &Source) -> String {
    let path = || Some(source.published.as_ref()?.display().to_string());
    card::base_model(source).or_else(path).unwrap_or_default()
}
