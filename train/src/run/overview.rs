//! How runs stand, by what is in their folders.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use hearth_model::ParameterCount;
use serde::Serialize;

use super::RunFolder;
use crate::{
    TrainConfig, TrainError, checkpoint,
    report::{EndReason, LogEntry, Record, read_records},
    session::{Metrics, fields},
};

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// A process trains it now.
    Running,
    /// It reached its limit.
    Finished,
    /// Its user ended it, with a checkpoint.
    Stopped,
    /// It ended by `evaluation.patience`.
    Patience,
    /// An error ended it.
    Failed,
    /// Its process went away without a word: it was killed, or the machine went down.
    Killed,
    /// It took no step yet.
    Unbegun,
}

/// The loss of an evaluation, and where it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BestLoss {
    /// Steps until it.
    pub step: u64,
    /// Nats per token.
    pub loss: f64,
}

/// How a run stands. `None` is what its folder does not tell.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunOverview {
    /// The folder's own name.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// How it stands.
    pub status: RunStatus,
    /// The error that ended it.
    pub error: Option<String>,
    /// Steps that were taken.
    pub steps: u64,
    /// Steps that are to be taken.
    pub total_steps: u64,
    /// Training tokens seen.
    pub tokens: u64,
    /// Wall time of the loop, in seconds.
    pub seconds: f64,
    /// Loss of the last step, nats per token.
    pub train_loss: Option<f64>,
    /// The last loss on the validation set, nats per token.
    pub val_loss: Option<f64>,
    /// The lowest loss on the validation set.
    pub best: Option<BestLoss>,
    /// Training tokens a second: the median over the steps.
    pub tokens_per_second: Option<f64>,
    /// Model FLOPs utilisation, 0 to 1: the median over the steps.
    pub mfu: Option<f64>,
    /// Name of the device that it was last trained on.
    pub device: Option<String>,
    /// Number of the model's parameters.
    pub parameters: u64,
    /// Step of the newest checkpoint.
    pub checkpoint: Option<u64>,
    /// When something last happened, in seconds since 1970.
    pub changed: f64,
    /// Its configuration.
    #[serde(skip)]
    pub config: TrainConfig,
}

impl RunOverview {
    /// Looks at the run in `path`.
    ///
    /// # Errors
    /// There is none, or its files cannot be read.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let folder = RunFolder::existing(path.to_owned());
        let config = folder.config()?;
        // Before its records: a run that ends meanwhile is not taken for one that was killed.
        let is_running = folder.is_claimed();
        let metrics = path.join("metrics.jsonl");
        let records = if metrics.exists() { read_records(&metrics)? } else { Vec::new() };
        let changed = [&metrics, path].into_iter().find_map(changed).unwrap_or(0.0);
        let figures: Vec<&Metrics> = records
            .iter()
            .filter_map(|record| if let Record::Figures(metrics) = record { Some(metrics) } else { None })
            .collect();
        let steps = figures.iter().map(|it| it.step.saturating_add(u64::from(it.lr.is_some()))).max().unwrap_or(0);
        let total_steps = config.total_steps();
        let (mut status, error) = ending(&records, steps, total_steps, path.join("model.safetensors").exists());
        if is_running {
            status = RunStatus::Running;
        }
        let evaluations = figures.iter().filter_map(|it| Some(BestLoss { step: it.step, loss: it.val_loss? }));
        let device = records.iter().rev().find_map(|record| match record {
            Record::Entry(LogEntry::Start { device, .. }) => Some(device.clone()),
            _ => None,
        });
        Ok(Self {
            name: folder.name(),
            path: path.to_owned(),
            status,
            error: error.filter(|_| status == RunStatus::Failed),
            steps,
            total_steps,
            tokens: figures.last().map_or(0, |it| tokens_after(it, &config)),
            seconds: figures.last().map_or(0.0, |it| it.seconds),
            train_loss: figures.iter().rev().find_map(|it| it.train_loss),
            val_loss: figures.iter().rev().find_map(|it| it.val_loss),
            best: evaluations.filter(|it| it.loss.is_finite()).min_by(|a, b| a.loss.total_cmp(&b.loss)),
            tokens_per_second: median(figures.iter().filter_map(|it| it.tokens_per_second)),
            mfu: median(figures.iter().filter_map(|it| it.mfu)),
            device,
            parameters: ParameterCount::of(&config.model).total as u64,
            checkpoint: checkpoint::list(&folder.store())?.first().map(|(step, _)| *step),
            changed,
            config,
        })
    }
}

/// How a run stands that no process trains, and the error that ended it.
fn ending(records: &[Record], steps: u64, total_steps: u64, has_model: bool) -> (RunStatus, Option<String>) {
    let last = records.iter().rev().find_map(|record| match record {
        Record::Entry(entry @ (LogEntry::Start { .. } | LogEntry::End { .. })) => Some(entry),
        _ => None,
    });
    match last {
        Some(LogEntry::End { reason, text, .. }) => {
            let status = match reason {
                EndReason::Limit => RunStatus::Finished,
                EndReason::Stopped => RunStatus::Stopped,
                EndReason::Patience => RunStatus::Patience,
                EndReason::Failed => RunStatus::Failed,
            };
            (status, text.clone())
        }
        // A run of an earlier Hearth, which did not say how it ended.
        None if has_model && steps >= total_steps => (RunStatus::Finished, None),
        None if has_model => (RunStatus::Stopped, None),
        None if records.is_empty() => (RunStatus::Unbegun, None),
        _ => (RunStatus::Killed, None),
    }
}

/// The folders of the runs in `folder`, in the order of their names.
///
/// # Errors
/// The folder cannot be read.
pub fn runs_in(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let read = fs::read_dir(folder);
    let entries = read.map_err(|cause| TrainError::Io { action: "listing the runs", path: folder.into(), cause })?;
    let mut runs: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    runs.sort();
    Ok(runs)
}

/// Whether the folder is that of a run, and not of one of its checkpoints.
pub fn is_run(path: &Path) -> bool {
    path.join("config.toml").exists() && !path.join("manifest.json").exists()
}

/// Every field of the configuration in which these runs are not all alike, with the value that each has, as TOML.
pub fn unlike(configs: &[&TrainConfig]) -> BTreeMap<String, Vec<Option<String>>> {
    let each: Vec<_> = configs.iter().map(|config| fields(config)).collect();
    let names = each.iter().flat_map(|fields| fields.keys());
    let values = |name: &String| each.iter().map(|fields| fields.get(name).cloned()).collect::<Vec<_>>();
    let all = names.map(|name| (name.clone(), values(name)));
    all.filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

/// When a file was changed, in seconds since 1970.
fn changed(path: impl AsRef<Path>) -> Option<f64> {
    let time = fs::metadata(path).and_then(|it| it.modified()).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
/// Tokens until after what these figures are of; those of a step have the tokens before it.
fn tokens_after(figures: &Metrics, config: &TrainConfig) -> u64 {
    if figures.lr.is_none() {
        return figures.tokens;
    }
    let batch = config.batch.sizes().reaching(figures.tokens / config.model.context_length.max(1) as u64);
    figures.tokens.saturating_add(config.tokens_of(batch))
}
