//! What a run tells its user: figures on the screen while it lasts, and in its folder
//!
//! - `metrics.jsonl`, a [`Record`] a line: the [`Metrics`] of a step or an evaluation, and whatever else happened;
//! - `samples.md`, the texts that were drawn;
//! - `loss.svg`, the loss curves, drawn again and again;
//! - TensorBoard's event file, where it is asked for.
//!
//! All are written as it happens.

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
mod pace;
#[cfg(feature = "cli")]
mod plot;
#[cfg(feature = "cli")]
mod progress;
mod quiet;
mod run_log;
mod samples;
#[cfg(feature = "cli")]
mod say;
#[cfg(feature = "cli")]
mod screen;
#[cfg(feature = "cli")]
mod stop;
mod tensorboard;
mod view;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

pub use crate::digits::with_separators;
pub use crate::session::{EndReason, LogEntry, Record};
pub use controls::Controls;
pub use error::ReportError;
use front::Front;
pub use front::FrontKind;
pub use metrics::{MetricsFile, read, read_records};
pub use outline::RunOutline;
#[cfg(feature = "cli")]
pub use plot::{Axis, LossPicture, PlotOptions, RunCurves, ScalingCurves, ScalingPicture, SizeCurves};
#[cfg(feature = "cli")]
pub(crate) use stop::{Unstarted, ask_to_stop};

use crate::session::{Event, Metrics};
use run_log::RunLog;

/// The reports of one run: a listener to its events.
pub struct Report {
    log: RunLog,
    front: Front,
    controls: Arc<Controls>,
}

impl Report {
    /// Begins the reports of a run in `folder`, which is made if need be. What its files had stays until the first
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
        let log = RunLog::open(folder, outline)?;
        let controls = Arc::<Controls>::default();
        let front = Front::new(front, outline, controls.clone(), stop)?;
        Ok(Self { log, front, controls })
    }

    /// What the user asks of the run where it is shown.
    pub fn controls(&self) -> Arc<Controls> {
        self.controls.clone()
    }

    /// Writes, remembers and shows an event. What cannot be written, as on a full disk, is shown all the same, with a
    /// warning; the run need not end for it.
    ///
    /// # Errors
    /// If what the metrics file had of earlier steps cannot be read.
    pub fn hear(&mut self, event: &Event) -> Result<(), ReportError> {
        let mut warnings = Vec::new();
        if self.log.hear(event, &mut warnings)? {
            self.front.event(event);
            if let Event::Rewind { step, .. } = event {
                self.front.rewind(*step, self.log.metrics());
            }
        }
        self.warn(warnings);
        Ok(())
    }

    fn warn(&mut self, warnings: Vec<String>) {
        warnings.into_iter().for_each(|warning| self.front.event(&Event::Trouble(warning)));
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
        self.warn(warnings);
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
