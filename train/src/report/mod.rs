//! What a run tells its user: figures on the screen while it lasts, and in its folder
//!
//! - `metrics.jsonl`, the [`Metrics`] of a step or an evaluation a line, written as it happens;
//! - `loss.svg`, the loss curves, drawn at the end.

#[cfg(feature = "cli")]
mod bar;
mod controls;
#[cfg(feature = "cli")]
mod dashboard;
mod error;
mod file;
mod front;
#[cfg(feature = "cli")]
mod left;
#[cfg(feature = "cli")]
mod line;
mod metrics;
mod outline;
#[cfg(feature = "cli")]
mod plot;
#[cfg(feature = "cli")]
mod progress;
#[cfg(feature = "cli")]
mod say;
#[cfg(feature = "cli")]
mod screen;
#[cfg(feature = "cli")]
mod stop;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

pub use controls::Controls;
pub use error::ReportError;
use front::Front;
pub use front::FrontKind;
pub use metrics::{MetricsFile, read};
pub use outline::RunOutline;
#[cfg(feature = "cli")]
pub use plot::draw_loss;
#[cfg(feature = "cli")]
pub(crate) use stop::{Unstarted, ask_to_stop};

use crate::session::{Event, Metrics};

const METRICS: &str = "metrics.jsonl";
#[cfg(feature = "cli")]
const LOSS_CURVE: &str = "loss.svg";

/// The reports of one run: a listener to its events.
pub struct Report {
    path: PathBuf,
    file: MetricsFile,
    metrics: Vec<Metrics>,
    front: Front,
    controls: Arc<Controls>,
    /// Whether the last figures could not be written, which was said.
    is_unwritten: bool,
}

impl Report {
    /// Begins the reports of a run in `folder`, which is made if need be. What its metrics file had stays until the first
    /// [`Event::Rewind`]. `stop` is set when the user asks, on the dashboard, for the end of the run.
    ///
    /// # Errors
    /// If the folder or the file cannot be made, or a dashboard is asked for without a terminal.
    pub fn open(
        folder: &Path,
        outline: &RunOutline,
        front: FrontKind,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, ReportError> {
        front.check()?;
        fs::create_dir_all(folder).map_err(ReportError::file("created", folder))?;
        let file = MetricsFile::append(&folder.join(METRICS))?;
        let controls = Arc::<Controls>::default();
        let front = Front::new(front, outline, controls.clone(), stop)?;
        Ok(Self { path: folder.to_owned(), file, metrics: Vec::new(), front, controls, is_unwritten: false })
    }

    /// What the user asks of the run where it is shown.
    pub fn controls(&self) -> Arc<Controls> {
        self.controls.clone()
    }

    /// Writes, remembers and shows an event. Figures that cannot be written, as on a full disk, are shown all the same, with a
    /// warning; the run need not end for them.
    ///
    /// # Errors
    /// If what the metrics file had of earlier steps cannot be read.
    pub fn hear(&mut self, event: &Event) -> Result<(), ReportError> {
        match event {
            Event::Step(metrics) | Event::Evaluation(metrics) => self.figures(event, metrics),
            Event::Rewind { step, evaluated } => {
                let path = self.path.join(METRICS);
                (self.file, self.metrics) = MetricsFile::rewind(&path, *step, *evaluated)?;
                self.front.event(event);
                self.front.rewind(*step, &self.metrics);
            }
            _ => self.front.event(event),
        }
        Ok(())
    }

    fn figures(&mut self, event: &Event, metrics: &Metrics) {
        // A run that was killed at its end has told of its last evaluation already.
        let is_evaluation = |it: &Metrics| it.step == metrics.step && it.val_loss.is_some();
        if is_evaluation(metrics) && self.metrics.last().is_some_and(is_evaluation) {
            return;
        }
        self.front.event(event);
        let written = self.file.write(metrics);
        self.metrics.push(metrics.clone());
        let was_unwritten = std::mem::replace(&mut self.is_unwritten, written.is_err());
        if let (Err(error), false) = (written, was_unwritten) {
            let step = metrics.step;
            let text = format!("warning: figures from step {step} on are not kept, and the run goes on: {error}");
            self.front.event(&Event::Trouble(text));
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
            let warn =
                |error: &ReportError| self.front.event(&Event::Trouble(format!("warning: no loss curve: {error}")));
            drawn.map(|()| path).inspect_err(warn).ok()
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
        let open = || Report::open(&run, &RunOutline::default(), FrontKind::Quiet, Arc::default()).unwrap();
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
