//! What a run tells its user: figures on the screen while it lasts, and in its folder
//!
//! - `metrics.jsonl`, the [`Metrics`] of a step or an evaluation a line, written as it happens;
//! - `loss.svg`, the loss curves, drawn at the end.

mod error;
mod file;
#[cfg(feature = "cli")]
mod line;
mod metrics;
#[cfg(feature = "cli")]
mod plot;
#[cfg(feature = "cli")]
mod progress;
#[cfg(feature = "cli")]
mod tui;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

pub use error::ReportError;
pub use metrics::{MetricsFile, read};
#[cfg(feature = "cli")]
pub use plot::draw_loss;
#[cfg(feature = "cli")]
pub use progress::RunProgress;
#[cfg(feature = "cli")]
pub use tui::Dashboard;

use crate::session::{Event, Metrics};

const METRICS: &str = "metrics.jsonl";
#[cfg(feature = "cli")]
const LOSS_CURVE: &str = "loss.svg";

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
    path: PathBuf,
    file: MetricsFile,
    metrics: Vec<Metrics>,
    front: Front,
    /// Whether the last figures could not be written, which was said.
    is_unwritten: bool,
}

impl Report {
    /// Begins the reports of a run of `total_steps` in `folder`, which is made if need be. What its metrics file had stays
    /// until the first [`Event::Rewind`]. `stop` is set when the user asks, on the dashboard, for the end of the run.
    ///
    /// # Errors
    /// If the folder or the file cannot be made, or a dashboard is asked for without a terminal.
    pub fn open(folder: &Path, total_steps: u64, front: FrontKind, stop: Arc<AtomicBool>) -> Result<Self, ReportError> {
        let front = Front::new(front, total_steps, stop)?;
        fs::create_dir_all(folder).map_err(ReportError::file("created", folder))?;
        let file = MetricsFile::append(&folder.join(METRICS))?;
        Ok(Self { path: folder.to_owned(), file, metrics: Vec::new(), front, is_unwritten: false })
    }

    /// Writes, remembers and shows an event. Figures that cannot be written, as on a full disk, are shown all the same, with a
    /// warning; the run need not end for them.
    ///
    /// # Errors
    /// If what the metrics file had of earlier steps cannot be read.
    ///
    /// # Panics
    /// If the user has chosen, on the dashboard, to kill the program.
    pub fn hear(&mut self, event: &Event) -> Result<(), ReportError> {
        match event {
            Event::Step(metrics) | Event::Evaluation(metrics) => self.figures(metrics),
            Event::Sample { prompt, text, .. } => self.front.note(&format!("sample: {prompt}{text}")),
            Event::Checkpoint { location, .. } => log::debug!("checkpoint {location}"),
            Event::Note(text) | Event::Trouble(text) => self.front.note(text),
            Event::Rewind { step, evaluated } => {
                let path = self.path.join(METRICS);
                (self.file, self.metrics) = MetricsFile::rewind(&path, *step, *evaluated)?;
            }
        }
        Ok(())
    }

    fn figures(&mut self, metrics: &Metrics) {
        // A run that was killed at its end has told of its last evaluation already.
        let is_evaluation = |it: &Metrics| it.step == metrics.step && it.val_loss.is_some();
        if is_evaluation(metrics) && self.metrics.last().is_some_and(is_evaluation) {
            return;
        }
        self.front.metrics(metrics);
        let written = self.file.write(metrics);
        self.metrics.push(metrics.clone());
        let was_unwritten = std::mem::replace(&mut self.is_unwritten, written.is_err());
        if let (Err(error), false) = (written, was_unwritten) {
            let step = metrics.step;
            self.front
                .note(&format!("warning: figures from step {step} on are not kept, and the run goes on: {error}"));
        }
    }

    /// All figures so far, those before a resumption included.
    pub fn metrics(&self) -> &[Metrics] {
        &self.metrics
    }

    /// Draws the loss curves under `title`, leaves the screen and returns the path of the picture; `None` where it cannot be
    /// written, which costs a warning, or the crate was built without pictures.
    #[cfg_attr(not(feature = "cli"), expect(unused_mut, unused_variables, reason = "there is no picture"))]
    pub fn finish(mut self, title: &str) -> Option<PathBuf> {
        #[cfg(feature = "cli")]
        let picture = {
            let path = self.path.join(LOSS_CURVE);
            let drawn = draw_loss(&self.metrics, title, &path);
            drawn.map(|()| path).inspect_err(|error| self.front.note(&format!("warning: no loss curve: {error}"))).ok()
        };
        #[cfg(not(feature = "cli"))]
        let picture = None;
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
        let picture = report.finish("loss").unwrap();
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
