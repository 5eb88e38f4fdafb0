//! What a run tells its user: figures on the screen while it lasts, and in its folder
//!
//! - `metrics.jsonl`, one [`Event`] a line, written as it happens;
//! - `loss.svg`, the loss curves, drawn at the end.

mod error;
mod event;
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
pub use event::{DeviceFigures, Event};
pub use metrics::{MetricsFile, read};
#[cfg(feature = "cli")]
pub use plot::draw_loss;
#[cfg(feature = "cli")]
pub use progress::Progress;
#[cfg(feature = "cli")]
pub use tui::Dashboard;

const METRICS: &str = "metrics.jsonl";

/// Where a run shows its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontKind {
    /// A bar on a terminal, lines anywhere else.
    #[cfg(feature = "cli")]
    #[default]
    Progress,
    /// Burn's dashboard, on a terminal only.
    #[cfg(feature = "cli")]
    Dashboard,
    /// Nowhere.
    #[cfg_attr(not(feature = "cli"), default)]
    Quiet,
}

enum Front {
    #[cfg(feature = "cli")]
    Progress(Progress),
    #[cfg(feature = "cli")]
    Dashboard(Box<Dashboard>),
    Quiet,
}

impl Front {
    #[cfg_attr(not(feature = "cli"), allow(unused_variables))]
    fn new(kind: FrontKind, total_steps: u64, stop: Arc<AtomicBool>) -> Result<Self, ReportError> {
        Ok(match kind {
            #[cfg(feature = "cli")]
            FrontKind::Progress => Self::Progress(Progress::new(total_steps)),
            #[cfg(feature = "cli")]
            FrontKind::Dashboard => Self::Dashboard(Box::new(Dashboard::new(total_steps, stop)?)),
            FrontKind::Quiet => Self::Quiet,
        })
    }
}

/// The reports of one run.
pub struct Report {
    folder: PathBuf,
    file: MetricsFile,
    events: Vec<Event>,
    front: Front,
}

impl Report {
    /// Begins the reports of a new run in `folder`, which is made if need be; a metrics file that was there is emptied.
    /// `stop` is set when the user asks, on the dashboard, for the end of the run.
    ///
    /// # Errors
    /// If the folder or the file cannot be made, or a dashboard is asked for without a terminal.
    pub fn start(
        folder: &Path,
        total_steps: u64,
        front: FrontKind,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, ReportError> {
        let front = Front::new(front, total_steps, stop)?;
        fs::create_dir_all(folder).map_err(ReportError::file("created", folder))?;
        let file = MetricsFile::create(&folder.join(METRICS))?;
        Ok(Self { folder: folder.to_owned(), file, events: Vec::new(), front })
    }

    /// As [`Report::start`] for a run that goes on before `step`: keeps the events up to there, see
    /// [`MetricsFile::resume`].
    ///
    /// # Errors
    /// As [`Report::start`], or if the metrics file is not one.
    pub fn resume(
        folder: &Path,
        step: u64,
        total_steps: u64,
        front: FrontKind,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, ReportError> {
        let front = Front::new(front, total_steps, stop)?;
        fs::create_dir_all(folder).map_err(ReportError::file("created", folder))?;
        let (file, events) = MetricsFile::resume(&folder.join(METRICS), step)?;
        Ok(Self { folder: folder.to_owned(), file, events, front })
    }

    /// Forgets what was reported of `step` and later ones, which will be taken again.
    ///
    /// # Errors
    /// As [`MetricsFile::resume`].
    pub fn rewind(&mut self, step: u64) -> Result<(), ReportError> {
        (self.file, self.events) = MetricsFile::resume(&self.folder.join(METRICS), step)?;
        Ok(())
    }

    /// Writes, remembers and shows an event.
    ///
    /// # Errors
    /// If the metrics file cannot be written; the event is remembered and shown all the same.
    ///
    /// # Panics
    /// If the user has chosen, on the dashboard, to kill the program.
    pub fn event(&mut self, event: Event) -> Result<(), ReportError> {
        match &mut self.front {
            #[cfg(feature = "cli")]
            Front::Progress(progress) => progress.event(&event),
            #[cfg(feature = "cli")]
            Front::Dashboard(dashboard) => dashboard.event(&event),
            Front::Quiet => {}
        }
        let written = self.file.write(&event);
        self.events.push(event);
        written
    }

    /// Tells the user something in words, such as a sample of text. The dashboard, which has no room for it,
    /// tells it when it closes; a quiet run does not.
    #[cfg_attr(not(feature = "cli"), allow(unused_variables))]
    pub fn note(&mut self, text: &str) {
        match &mut self.front {
            #[cfg(feature = "cli")]
            Front::Progress(progress) => progress.note(text),
            #[cfg(feature = "cli")]
            Front::Dashboard(dashboard) => dashboard.note(text),
            Front::Quiet => {}
        }
    }

    /// All events so far, those before a resumption included.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Leaves the screen, draws the loss curves under `title` and returns the path of the picture; `None` without feature
    /// `cli`, which has none.
    ///
    /// # Errors
    /// If the picture cannot be written.
    pub fn finish(self, title: &str) -> Result<Option<PathBuf>, ReportError> {
        match self.front {
            #[cfg(feature = "cli")]
            Front::Progress(progress) => progress.finish(),
            #[cfg(feature = "cli")]
            Front::Dashboard(dashboard) => dashboard.finish(),
            Front::Quiet => {}
        }
        picture(&self.folder, &self.events, title)
    }
}

#[cfg(feature = "cli")]
fn picture(folder: &Path, events: &[Event], title: &str) -> Result<Option<PathBuf>, ReportError> {
    const LOSS_CURVE: &str = "loss.svg";
    let path = folder.join(LOSS_CURVE);
    draw_loss(events, title, &path)?;
    Ok(Some(path))
}

#[cfg(not(feature = "cli"))]
fn picture(_: &Path, _: &[Event], _: &str) -> Result<Option<PathBuf>, ReportError> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(step: u64) -> Event {
        Event { step, train_loss: Some(4.0 / step as f64), ..Event::default() }
    }

    #[test]
    fn a_run_and_its_continuation_make_one_report() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/one");
        let mut report = Report::start(&run, 4, FrontKind::Quiet, Arc::default()).unwrap();
        (1..=3).for_each(|step| report.event(event(step)).unwrap());
        drop(report); // killed; its last checkpoint was of step 2

        let mut report = Report::resume(&run, 3, 4, FrontKind::Quiet, Arc::default()).unwrap();
        assert_eq!(report.events(), [event(1), event(2)]);
        report.event(event(3)).unwrap();
        report.rewind(3).unwrap();
        (3..=4).for_each(|step| report.event(event(step)).unwrap());
        report.note("unheard");
        let all = [1, 2, 3, 4].map(event);
        assert_eq!(report.events(), all);
        let picture = report.finish("loss").unwrap();
        assert_eq!(picture.is_some(), cfg!(feature = "cli"));
        #[cfg(feature = "cli")]
        assert!(fs::read_to_string(run.join("loss.svg")).unwrap().contains("nats per token"));
        assert_eq!(read(&run.join("metrics.jsonl")).unwrap(), all);

        Report::start(&run, 4, FrontKind::Quiet, Arc::default()).unwrap();
        assert_eq!(read(&run.join("metrics.jsonl")).unwrap(), []);
    }
}
