//! What `hearth eval` prints: a table, or JSON.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use hearth_train::eval::{QuestionScore, Share, TaskFigures, TextFigures, TextOptions};
use serde::Serialize;

use crate::table;

/// All that was found.
#[derive(Serialize)]
pub struct Results {
    model: PathBuf,
    device: String,
    context: usize,
    stride: usize,
    batch: usize,
    pub texts: Vec<TextResult>,
    pub tasks: Vec<TaskResult>,
}

/// Of a text.
#[derive(Serialize)]
pub struct TextResult {
    file: PathBuf,
    #[serde(flatten)]
    figures: TextFigures,
    nats_per_token: f64,
    perplexity: f64,
    bits_per_token: f64,
    bits_per_byte: f64,
    tokens_per_second: f64,
}

/// Of a task.
#[derive(Serialize)]
pub struct TaskResult {
    pub file: PathBuf,
    pub format: &'static str,
    #[serde(flatten)]
    pub figures: TaskFigures,
    pub seconds: f64,
}

/// Of a question.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a Path,
    #[serde(flatten)]
    score: &'a QuestionScore,
    likeliest: usize,
    likeliest_by_characters: usize,
    likeliest_by_bytes: usize,
}

impl Results {
    pub fn new(model: &Path, device: &str, TextOptions { context, stride, batch }: TextOptions) -> Self {
        let (texts, tasks) = (Vec::new(), Vec::new());
        Self { model: model.into(), device: device.into(), context, stride, batch, texts, tasks }
    }

    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        writeln!(out)
    }

    pub fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        if !self.texts.is_empty() {
            self.write_texts(out)?;
        }
        if !self.texts.is_empty() && !self.tasks.is_empty() {
            writeln!(out)?;
        }
        if !self.tasks.is_empty() {
            self.write_tasks(out)?;
        }
        Ok(())
    }

    fn write_texts(&self, out: &mut impl Write) -> io::Result<()> {
        let head = ["text", "tokens", "scored", "nats/token", "perplexity", "bits/token", "bits/byte", "tokens/s"];
        let mut rows = vec![head.map(String::from).to_vec()];
        rows.extend(self.texts.iter().map(|text| text.cells(text.file.display().to_string())));
        if self.texts.len() > 1 {
            let all = self.texts.iter().map(|text| text.figures).fold(TextFigures::default(), TextFigures::and);
            rows.push(TextResult::new(Path::new(""), all).cells("all".into()));
        }
        table::write(&rows, &[1, 2, 3, 4, 5, 6, 7], out)?;
        writeln!(out, "windows of {} tokens, {} apart, on {}", self.context, self.stride, self.device)
    }

    fn write_tasks(&self, out: &mut impl Write) -> io::Result<()> {
        let head = ["task", "form", "rows", "acc", "±", "acc_norm", "±", "rows/s"];
        let mut rows = vec![head.map(String::from).to_vec()];
        rows.extend(self.tasks.iter().map(TaskResult::cells));
        table::write(&rows, &[2, 3, 4, 5, 6, 7], out)
    }
}

impl TextResult {
    pub fn new(file: &Path, figures: TextFigures) -> Self {
        Self {
            file: file.into(),
            nats_per_token: figures.nats_per_token(),
            perplexity: figures.perplexity(),
            bits_per_token: figures.bits_per_token(),
            bits_per_byte: figures.bits_per_byte(),
            tokens_per_second: figures.tokens_per_second(),
            figures,
        }
    }

    fn cells(&self, name: String) -> Vec<String> {
        let TextFigures { tokens, scored, .. } = self.figures;
        vec![
            name,
            tokens.to_string(),
            scored.to_string(),
            format!("{:.4}", self.nats_per_token),
            format!("{:.3}", self.perplexity),
            format!("{:.4}", self.bits_per_token),
            format!("{:.4}", self.bits_per_byte),
            format!("{:.0}", self.tokens_per_second),
        ]
    }
}

impl TaskResult {
    fn cells(&self) -> Vec<String> {
        let TaskFigures { rows, acc, acc_norm, .. } = self.figures;
        let error = |share: Share| share.stderr.map_or("-".into(), |error| format!("{error:.4}"));
        vec![
            self.file.display().to_string(),
            self.format.into(),
            rows.to_string(),
            format!("{:.4}", acc.value),
            error(acc),
            format!("{:.4}", acc_norm.value),
            error(acc_norm),
            format!("{:.1}", rows as f64 / self.seconds.max(1e-9)),
        ]
    }
}

pub fn write_row(out: &mut impl Write, file: &Path, score: &QuestionScore) -> io::Result<()> {
    let row = Row {
        file,
        score,
        likeliest: score.likeliest(),
        likeliest_by_characters: score.likeliest_by_characters(),
        likeliest_by_bytes: score.likeliest_by_bytes(),
    };
    serde_json::to_writer(&mut *out, &row)?;
    writeln!(out)
}
