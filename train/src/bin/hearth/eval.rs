//! `hearth eval`.

mod display;
mod results;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::anyhow;
use clap::{ArgGroup, Args};
use hearth_data::read_text;
use hearth_train::{
    devices::{DeviceChoice, open},
    eval::{
        NamedText, Question, QuestionScore, TaskFigures, TaskFormat, TextOptions, evaluate_tasks, evaluate_text,
        read_questions,
    },
    run::{RunFolder, TrainedModel},
};

use self::{
    display::EvalDisplay,
    results::{Results, TaskResult, TextResult},
};
use crate::output::tell;

/// Tokens that are computed side by side where --batch does not say it.
const SIDE_BY_SIDE: usize = 2048;

/// Evaluate a model: the perplexity of texts, and the share of questions that it answers rightly.
#[derive(Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["text", "tasks"]))]
pub struct EvalCommand {
    /// The folder that `hearth train` made, one of its checkpoints, or a published model: a folder of Hugging Face's, or a .gguf file.
    run: PathBuf,
    /// Files of text, each scored by sliding windows.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    text: Vec<PathBuf>,
    /// Files of JSON Lines with questions as HellaSwag, ARC and PIQA have them, scored as lm-evaluation-harness does.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    tasks: Vec<PathBuf>,
    /// The form of the questions. Without it, the fields of each file's first row tell.
    #[arg(long, value_enum, requires = "tasks")]
    format: Option<TaskFormat>,
    /// Tokens of a window [default: the model's context].
    #[arg(long, value_name = "N")]
    context: Option<usize>,
    /// Tokens from a window to the next; each scores what the one before did not [default: half of --context].
    #[arg(long, value_name = "N", requires = "text")]
    stride: Option<usize>,
    /// Windows or rows that are computed side by side [default: such that they have about 2048 tokens].
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// Questions of each file, the first of it; all without.
    #[arg(long, value_name = "N", requires = "tasks")]
    limit: Option<usize>,
    /// Write a JSON object with all results instead of a table.
    #[arg(long)]
    json: bool,
    /// Write a JSON object for each question to this file, a line each.
    #[arg(long, value_name = "FILE", requires = "tasks")]
    rows: Option<PathBuf>,
    /// Show no progress.
    #[arg(long)]
    quiet: bool,
    /// auto, cpu, wgpu or wgpu:N (see `hearth devices`).
    #[arg(long, default_value_t)]
    device: DeviceChoice,
}

/// A task that has been read.
struct Task<'a> {
    path: &'a Path,
    format: TaskFormat,
    questions: Vec<Question>,
}

impl EvalCommand {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // What is wrong with a file is told before a model is loaded.
        let texts: Vec<(&Path, String)> =
            self.text.iter().map(|path| Ok((path.as_path(), read_text(path)?))).collect::<anyhow::Result<_>>()?;
        let limit = self.limit.unwrap_or(usize::MAX);
        let task = |path| {
            let (format, questions) = read_questions(path, self.format, limit)?;
            Ok(Task { path, format, questions })
        };
        let tasks: Vec<Task> = self.tasks.iter().map(|path| task(path)).collect::<anyhow::Result<_>>()?;
        let mut rows = self.rows.as_deref().map(create).transpose()?;
        let device = open(self.device)?;
        let trained = RunFolder::existing(self.run.clone()).load(&device.device)?;
        trained.note.iter().for_each(tell);
        let options = self.options(&trained);
        let mut results = Results::new(&self.run, &device.name, options);
        options.check(trained.model.config().context_length)?;
        for (path, text) in &texts {
            results.texts.push(self.text(&trained, path, text, options)?);
        }
        for task in &tasks {
            let (result, scores) = self.task(&trained, task, options)?;
            if let Some((path, out)) = &mut rows {
                write_rows(out, task, &scores).map_err(|error| unwritten(path, &error))?;
            }
            results.tasks.push(result);
        }
        if let Some((path, mut out)) = rows {
            out.flush().map_err(|error| unwritten(path, &error))?;
        }
        let mut out = io::stdout().lock();
        match self.json {
            true => results.write_json(&mut out)?,
            false => results.write_table(&mut out)?,
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }

    fn options(&self, trained: &TrainedModel) -> TextOptions {
        let context = self.context.unwrap_or(trained.model.config().context_length);
        let stride = self.stride.unwrap_or(context / 2).max(usize::from(self.stride.is_none()));
        let batch = self.batch.unwrap_or((SIDE_BY_SIDE / context.max(1)).max(1));
        TextOptions { context, stride, batch }
    }

    fn text(
        &self,
        trained: &TrainedModel,
        path: &Path,
        text: &str,
        options: TextOptions,
    ) -> anyhow::Result<TextResult> {
        let mut display = EvalDisplay::new(path, "tokens", self.quiet);
        let named = NamedText { name: &path.display().to_string(), text };
        let found = evaluate_text(trained, named, options, |done, all| display.show(done, all));
        display.finish();
        Ok(TextResult::new(path, found?))
    }

    fn task(
        &self,
        trained: &TrainedModel,
        task: &Task<'_>,
        options: TextOptions,
    ) -> anyhow::Result<(TaskResult, Vec<QuestionScore>)> {
        let mut display = EvalDisplay::new(task.path, "continuations", self.quiet);
        let begun = Instant::now();
        // Rows are much shorter than windows.
        let batch = self.batch.unwrap_or(16);
        let progress = |done, all| display.show(done, all);
        let found = evaluate_tasks(trained, &task.questions, (options.context, batch), progress);
        display.finish();
        let scores = found.map_err(|error| anyhow!("{}: {error}", task.path.display()))?;
        let seconds = begun.elapsed().as_secs_f64();
        let result = TaskResult {
            file: task.path.to_owned(),
            format: task.format.name(),
            figures: TaskFigures::of(&scores),
            seconds,
        };
        Ok((result, scores))
    }
}

fn unwritten(path: &Path, error: &io::Error) -> anyhow::Error {
    anyhow!("--rows {} cannot be written: {error}", path.display())
}

fn create(path: &Path) -> anyhow::Result<(&Path, BufWriter<File>)> {
    let file = File::create(path).map_err(|error| unwritten(path, &error))?;
    Ok((path, BufWriter::new(file)))
}

fn write_rows(out: &mut impl Write, task: &Task<'_>, scores: &[QuestionScore]) -> io::Result<()> {
    for score in scores {
        results::write_row(out, task.path, score)?;
    }
    Ok(())
}
