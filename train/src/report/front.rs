//! Where a run shows what happens.

use std::sync::{Arc, atomic::AtomicBool};

use super::{Controls, ReportError, RunOutline};
#[cfg(feature = "cli")]
use super::{dashboard::Dashboard, dashboard::require_terminal, left::TimeLeft, progress::RunProgress};
use crate::session::{Event, Metrics};

/// Where a run shows its figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontKind {
    /// A bar on a terminal, lines anywhere else.
    #[cfg(feature = "cli")]
    Progress,
    /// A dashboard with keys, on a terminal only.
    #[cfg(feature = "cli")]
    Dashboard,
    /// Nowhere: what a library does.
    #[default]
    Quiet,
}

impl FrontKind {
    /// # Errors
    /// A dashboard without a terminal.
    pub(crate) fn check(self) -> Result<(), ReportError> {
        match self {
            #[cfg(feature = "cli")]
            Self::Dashboard => require_terminal(),
            _ => Ok(()),
        }
    }
}

pub(super) enum Front {
    #[cfg(feature = "cli")]
    Progress(RunProgress, Box<TimeLeft>),
    #[cfg(feature = "cli")]
    Dashboard(Dashboard, Box<TimeLeft>),
    Quiet,
}

impl Front {
    #[cfg(feature = "cli")]
    pub fn new(
        kind: FrontKind,
        outline: &RunOutline,
        controls: Arc<Controls>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, ReportError> {
        let left = Box::new(TimeLeft::new(outline));
        Ok(match kind {
            FrontKind::Progress => Self::Progress(RunProgress::new(outline.total_steps), left),
            FrontKind::Dashboard => Self::Dashboard(Dashboard::open(outline, controls, stop)?, left),
            FrontKind::Quiet => Self::Quiet,
        })
    }

    #[cfg(not(feature = "cli"))]
    pub fn new(
        kind: FrontKind,
        _outline: &RunOutline,
        _controls: Arc<Controls>,
        _stop: Arc<AtomicBool>,
    ) -> Result<Self, ReportError> {
        match kind {
            FrontKind::Quiet => Ok(Self::Quiet),
        }
    }

    /// Shows an event.
    pub fn event(&mut self, event: &Event) {
        match self {
            #[cfg(feature = "cli")]
            Self::Progress(progress, left) => {
                left.hear(event);
                match event {
                    Event::Step(metrics) | Event::Evaluation(metrics) => progress.show(metrics, left.seconds()),
                    Event::Sample { step, prompt, text } => {
                        progress.note(&format!("sample at step {step}: {prompt}{text}"));
                    }
                    Event::Checkpoint { location, .. } => log::debug!("checkpoint {location}"),
                    Event::Plan(text) | Event::Note(text) | Event::Trouble(text) => progress.note(text),
                    Event::Rewind { .. } => {}
                }
            }
            #[cfg(feature = "cli")]
            Self::Dashboard(dashboard, left) => {
                left.hear(event);
                dashboard.event(event, left.seconds());
            }
            Self::Quiet => {
                let _ = event;
            }
        }
    }

    /// The run goes on after `step` steps, with what was measured before.
    pub fn rewind(&mut self, step: u64, earlier: &[Metrics]) {
        match self {
            #[cfg(feature = "cli")]
            Self::Progress(progress, _) => progress.rewind(step, earlier),
            #[cfg(feature = "cli")]
            Self::Dashboard(dashboard, _) => dashboard.rewind(step, earlier),
            Self::Quiet => {
                let _ = (step, earlier);
            }
        }
    }

    /// Leaves the screen.
    pub fn finish(self) {
        #[cfg(feature = "cli")]
        if let Self::Progress(progress, _) = self {
            progress.finish();
        }
    }
}
