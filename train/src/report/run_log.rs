//! What a run keeps in its folder of what happens: `metrics.jsonl`, and the files that are made of it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    ReportError, RunOutline, metrics::MetricsFile, quiet::Quiet, samples::Samples, tensorboard::EventFile, view::Kept,
};
#[cfg(feature = "cli")]
use super::{
    pace::Pace,
    plot::{LossPicture, PlotOptions, RunCurves},
};
use crate::session::{EndReason, Event, LogEntry, Metrics, Record};

const METRICS: &str = "metrics.jsonl";
#[cfg(feature = "cli")]
const LOSS_CURVE: &str = "loss.svg";

/// The files of a run that tell what happens, from the first [`Event::Rewind`] on.
pub(super) struct RunLog {
    folder: PathBuf,
    file: MetricsFile,
    outline: RunOutline,
    metrics: Vec<Metrics>,
    /// Steps that were taken.
    step: u64,
    /// Steps until the last sample.
    sampled: Option<u64>,
    /// What was told before the run began; none from then on.
    before: Option<Vec<Event>>,
    views: Vec<Kept>,
    /// When it was last told that a record could not be written.
    unwritten: Quiet,
    #[cfg(feature = "cli")]
    pace: Pace,
    /// When it was last told that the picture could not be written.
    #[cfg(feature = "cli")]
    undrawn: Quiet,
}

impl RunLog {
    /// Opens the files in `folder`. What they had stays until the first [`Event::Rewind`].
    pub fn open(folder: &Path, outline: &RunOutline) -> Result<Self, ReportError> {
        let (folder, file) = (folder.to_owned(), MetricsFile::append(&folder.join(METRICS))?);
        let outline = outline.clone();
        let mut views = vec![Kept::new(Samples::new(&folder, &name_of(&folder)))];
        if outline.tensorboard {
            views.push(Kept::new(EventFile::new(&folder)));
        }
        let (metrics, before) = (Vec::new(), Some(Vec::new()));
        Ok(Self {
            folder,
            file,
            outline,
            metrics,
            step: 0,
            sampled: None,
            before,
            views,
            unwritten: Quiet::default(),
            #[cfg(feature = "cli")]
            pace: Pace::default(),
            #[cfg(feature = "cli")]
            undrawn: Quiet::default(),
        })
    }

    /// All figures so far, those before a resumption included.
    pub fn metrics(&self) -> &[Metrics] {
        &self.metrics
    }

    /// Keeps an event; whether it is new: a run that was killed at its end tells of its last evaluation and text again. What
    /// cannot be written is told in `warnings`, and the run need not end for it.
    ///
    /// # Errors
    /// If what the metrics file had of earlier steps cannot be read.
    pub fn hear(&mut self, event: &Event, warnings: &mut Vec<String>) -> Result<bool, ReportError> {
        let record = match event {
            Event::Rewind { step, evaluated } => {
                self.rewind(*step, *evaluated, warnings)?;
                return Ok(true);
            }
            Event::Step(metrics) | Event::Evaluation(metrics) => {
                let is_evaluation = |it: &Metrics| it.step == metrics.step && it.val_loss.is_some();
                if is_evaluation(metrics) && self.metrics.last().is_some_and(is_evaluation) {
                    return Ok(false);
                }
                self.step = metrics.step + u64::from(matches!(event, Event::Step(_)));
                self.metrics.push(metrics.clone());
                Record::Figures(metrics.clone())
            }
            Event::Sample { step, .. } if self.sampled == Some(*step) => return Ok(false),
            other => {
                if let Event::Sample { step, .. } = other {
                    self.sampled = Some(*step);
                }
                if let Some(before) = &mut self.before {
                    before.push(other.clone());
                    return Ok(true);
                }
                let Some(entry) = LogEntry::of(other, self.step) else { return Ok(true) };
                Record::Entry(entry)
            }
        };
        self.write(&record, warnings);
        #[cfg(feature = "cli")]
        if matches!(record, Record::Figures(_)) && self.pace.is_due() {
            self.draw(warnings);
        }
        Ok(true)
    }

    /// The run goes on before `step`: what the files had of later steps is dropped.
    fn rewind(&mut self, step: u64, evaluated: bool, warnings: &mut Vec<String>) -> Result<(), ReportError> {
        let path = self.folder.join(METRICS);
        let before = self.before.take();
        let records = if before.is_some() && step == 0 {
            // Anew, whatever an earlier attempt has left.
            self.file = MetricsFile::create(&path)?;
            Vec::new()
        } else {
            let (file, records) = match MetricsFile::rewind(&path, step, evaluated) {
                Ok(rewound) => rewound,
                // The run is in its checkpoints: what it told until now is put aside.
                Err(error) => {
                    let aside = path.with_extension("jsonl.damaged");
                    fs::rename(&path, &aside).map_err(ReportError::file("replaced", &path))?;
                    warnings.push(format!("warning: {error}: it is {} now, and a new one is begun", aside.display()));
                    (MetricsFile::create(&path)?, Vec::new())
                }
            };
            self.file = file;
            records
        };
        (self.step, self.sampled) = (step, records.iter().rev().find_map(sampled));
        warnings.extend(self.views.iter_mut().filter_map(|view| view.begin(&records)));
        let figures = |record| match record {
            Record::Figures(metrics) => Some(metrics),
            Record::Entry(_) => None,
        };
        self.metrics = records.into_iter().filter_map(figures).collect();
        if let Some(told) = before {
            let RunOutline { model, total_steps, .. } = self.outline.clone();
            let device = self.outline.devices.join(" and ");
            let hearth = env!("CARGO_PKG_VERSION").into();
            let start = LogEntry::Start { step, time: now(), hearth, device, model, total_steps };
            let told = told.iter().filter_map(|event| LogEntry::of(event, step));
            let entries: Vec<_> = std::iter::once(start).chain(told).collect();
            entries.into_iter().for_each(|entry| self.write(&Record::Entry(entry), warnings));
        }
        Ok(())
    }

    fn write(&mut self, record: &Record, warnings: &mut Vec<String>) {
        if let Err(error) = self.file.write(record)
            && self.unwritten.is_over()
        {
            let step = match record {
                Record::Figures(metrics) => metrics.step,
                Record::Entry(_) => self.step,
            };
            warnings.push(format!("warning: figures from step {step} on are not kept, and the run goes on: {error}"));
        }
        warnings.extend(self.views.iter_mut().filter_map(|view| view.add(record)));
    }

    /// Keeps that the run has ended, and why; of an error, what it says. The picture that it leaves.
    pub fn end(&mut self, reason: EndReason, text: Option<String>, warnings: &mut Vec<String>) -> Option<PathBuf> {
        // A run that failed before it began has nothing to tell.
        if self.before.is_none() {
            self.write(&Record::Entry(LogEntry::End { step: self.step, time: now(), reason, text }), warnings);
        }
        self.draw(warnings)
    }

    #[cfg(feature = "cli")]
    fn draw(&mut self, warnings: &mut Vec<String>) -> Option<PathBuf> {
        let path = self.folder.join(LOSS_CURVE);
        let (name, about) =
            (name_of(&self.folder), format!("{} · {}", self.outline.model, self.outline.devices.join(" and ")));
        let run = RunCurves { name: &name, about: &about, metrics: &self.metrics };
        let drawn = self.pace.take(|| LossPicture::new(&[run], PlotOptions::default()).write(&path));
        match drawn {
            Ok(()) => return Some(path),
            Err(error) if self.undrawn.is_over() => warnings.push(format!("warning: no loss curve: {error}")),
            Err(_) => {}
        }
        None
    }

    #[cfg(not(feature = "cli"))]
    fn draw(&mut self, _warnings: &mut Vec<String>) -> Option<PathBuf> {
        None
    }
}

/// The name of the run in `folder`.
pub(super) fn name_of(folder: &Path) -> String {
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    full.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

fn sampled(record: &Record) -> Option<u64> {
    match record {
        Record::Entry(LogEntry::Sample { step, .. }) => Some(*step),
        _ => None,
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}
