//! What a run tells its user: figures on the screen while it lasts, and in its folder
//!
//! - `metrics.jsonl`, a [`Record`] a line: the [`Metrics`] of a step or an evaluation, and whatever else happened;
//! - `samples.md`, the texts that were drawn;
//! - `loss.svg`, the loss curves, drawn again and again;
//! - TensorBoard's event file, where it is asked for.
//!
//! All are written as it happens.

mod error;
mod file;
#[cfg(feature = "cli")]
mod line;
mod metrics;
#[cfg(feature = "cli")]
mod pace;
#[cfg(feature = "cli")]
mod plot;
#[cfg(feature = "cli")]
mod progress;
mod quiet;
mod record;
mod run_log;
mod samples;
mod tensorboard;
#[cfg(feature = "cli")]
mod tui;
mod view;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

pub use error::ReportError;
pub use metrics::{MetricsFile, read, read_records};
#[cfg(feature = "cli")]
pub use plot::{Axis, LossPicture, PlotOptions, RunCurves};
#[cfg(feature = "cli")]
pub use progress::RunProgress;
pub use record::{EndReason, LogEntry, Record};
pub use run_log::Subject;
#[cfg(feature = "cli")]
pub use tui::Dashboard;

use crate::session::{Event, Metrics};
use run_log::RunLog;

/// Where a run shows its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontKind {
    /// A bar on a terminal, lines anywhere else.
    #[cfg(feature = "cli")]
    Progress,
    /// Burn's dashboard, on a terminal only.
    #[cfg(feature = "cli")]
    Dashboard,
    /// Nowhere: what a library does.
    #[default]
    Quiet,
}

enum Front {
    #[cfg(feature = "cli")]
    Progress(RunProgress),
    #[cfg(feature = "cli")]
    Dashboard(Box<Dashboard>),
    Quiet,
}

impl Front {
    #[cfg(feature = "cli")]
    fn new(kind: FrontKind, total_steps: u64, stop: Arc<AtomicBool>) -> Result<Self, ReportError> {
        Ok(match kind {
            FrontKind::Progress => Self::Progress(RunProgress::new(total_steps)),
            FrontKind::Dashboard => Self::Dashboard(Box::new(Dashboard::new(total_steps, stop)?)),
            FrontKind::Quiet => Self::Quiet,
        })
    }

    #[cfg(not(feature = "cli"))]
    fn new(kind: FrontKind, _total_steps: u64, _stop: Arc<AtomicBool>) -> Result<Self, ReportError> {
        match kind {
            FrontKind::Quiet => Ok(Self::Quiet),
        }
    }

    fn metrics(&mut self, metrics: &Metrics) {
        match self {
            #[cfg(feature = "cli")]
            Self::Progress(progress) => progress.show(metrics),
            #[cfg(feature = "cli")]
            Self::Dashboard(dashboard) => dashboard.show(metrics),
            Self::Quiet => {
                let _ = metrics;
            }
        }
    }

    /// Tells the user something in words. The dashboard, which has no room for it, tells it when it closes; a quiet run
    /// does not.
    fn note(&mut self, text: &str) {
        match self {
            #[cfg(feature = "cli")]
            Self::Progress(progress) => progress.note(text),
            #[cfg(feature = "cli")]
            Self::Dashboard(dashboard) => dashboard.note(text),
            Self::Quiet => {
                let _ = text;
            }
        }
    }

    fn finish(self) {
        match self {
            #[cfg(feature = "cli")]
            Self::Progress(progress) => progress.finish(),
            #[cfg(feature = "cli")]
            Self::Dashboard(dashboard) => dashboard.finish(),
            Self::Quiet => {}
        }
    }
}

/// The reports of one run: a listener to its events.
pub struct Report {
    log: RunLog,
    front: Front,
}

impl Report {
    /// Begins the reports of a run of `total_steps` in `folder`, which is made if need be. What its files had stays
    /// until the first [`Event::Rewind`]. `stop` is set when the user asks, on the dashboard, for the end of the run.
    ///
    /// # Errors
    /// If the folder or the file cannot be made, or a dashboard is asked for without a terminal.
    pub fn open(folder: &Path, total_steps: u64, front: FrontKind, stop: Arc<AtomicBool>) -> Result<Self, ReportError> {
        let front = Front::new(front, total_steps, stop)?;
        fs::create_dir_all(folder).map_err(ReportError::file("created", folder))?;
        Ok(Self { log: RunLog::open(folder)?, front })
    }

    /// Says what the run is; before its first event.
    pub fn subject(mut self, subject: Subject) -> Self {
        self.log.set_subject(subject);
        self
    }

    /// Writes, remembers and shows an event. What cannot be written, as on a full disk, is shown all the same, with a
    /// warning; the run need not end for it.
    ///
    /// # Errors
    /// If what the metrics file had of earlier steps cannot be read.
    ///
    /// # Panics
    /// If the user has chosen, on the dashboard, to kill the program.
    pub fn hear(&mut self, event: &Event) -> Result<(), ReportError> {
        let mut warnings = Vec::new();
        if self.log.hear(event, &mut warnings)? {
            self.show(event);
        }
        warnings.iter().for_each(|warning| self.front.note(warning));
        Ok(())
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Step(metrics) | Event::Evaluation(metrics) => self.front.metrics(metrics),
            Event::Sample { prompt, text, .. } => self.front.note(&format!("sample: {prompt}{text}")),
            Event::Checkpoint { location, .. } => log::debug!("checkpoint {location}"),
            Event::Note(text) | Event::Trouble(text) => self.front.note(text),
            Event::Rewind { .. } => {}
        }
    }

    /// All figures so far, those before a resumption included.
    pub fn metrics(&self) -> &[Metrics] {
        self.log.metrics()
    }

    /// Keeps why the run ended (with what an error says), draws the loss curves, leaves the screen and returns the path of the
    /// picture; `None` where it cannot be written, which costs a warning, or the crate was built without pictures.
    pub fn finish(mut self, reason: EndReason, error: Option<String>) -> Option<PathBuf> {
        let mut warnings = Vec::new();
        let picture = self.log.end(reason, error, &mut warnings);
        warnings.iter().for_each(|warning| self.front.note(warning));
        self.front.finish();
        picture
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    fn step(step: u64) -> Metrics {
        Metrics { step, train_loss: Some(4.0 / step as f64), ..Metrics::default() }
    }

    #[test]
    fn a_run_and_its_continuation_make_one_report() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/one");
        let open = || Report::open(&run, 4, FrontKind::Quiet, Arc::default()).unwrap();
        let evaluation = Metrics { step: 3, val_loss: Some(2.0), ..Metrics::default() };
        let mut report = open();
        report.hear(&Event::Rewind { step: 0, evaluated: false }).unwrap();
        (1..=2).for_each(|number| report.hear(&Event::Step(step(number))).unwrap());
        report.hear(&Event::Evaluation(evaluation.clone())).unwrap();
        report.hear(&Event::Step(step(3))).unwrap();
        drop(report); // killed; its last checkpoint was of step 3

        let mut report = open();
        report.hear(&Event::Rewind { step: 3, evaluated: true }).unwrap();
        let [one, two] = [1, 2].map(step);
        assert_eq!(report.metrics(), [one.clone(), two.clone(), evaluation.clone()]);
        // It was told of already.
        report.hear(&Event::Evaluation(evaluation.clone())).unwrap();
        report.hear(&Event::Note("unheard".into())).unwrap();
        (3..=4).for_each(|number| report.hear(&Event::Step(step(number))).unwrap());
        let all = [one, two, evaluation, step(3), step(4)];
        assert_eq!(report.metrics(), all);
        let picture = report.finish(EndReason::Limit, None).unwrap();
        assert_eq!(picture, run.join("loss.svg"));
        assert!(fs::read_to_string(picture).unwrap().contains("nats per token"));
        assert_eq!(read(&run.join("metrics.jsonl")).unwrap(), all);

        let mut report = open();
        report.hear(&Event::Rewind { step: 3, evaluated: false }).unwrap();
        assert_eq!(report.metrics(), &all[..2]);
        report.hear(&Event::Rewind { step: 0, evaluated: false }).unwrap();
        assert_eq!(read(&run.join("metrics.jsonl")).unwrap(), []);
    }
}
