//! Burn's terminal dashboard, fed with our events.

use std::{
    io::{IsTerminal, stdout},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use burn_train::{
    Interrupter,
    logger::TrainingProgressLogger,
    metric::{MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericEntry, SerializedEntry},
    renderer::{MetricState, MetricsRenderer, MetricsRendererTraining, tui::TuiMetricsRendererWrapper},
};

use super::{ReportError, progress::say};
use crate::session::Metrics;

const LOSS: &str = "Loss (nats per token)";
const NORM: &str = "Gradient norm";
const LR: &str = "Learning rate";
const SPEED: &str = "Tokens a second";
const MFU: &str = "MFU (%)";

/// How often the user's wish to stop is looked for.
const POLL: Duration = Duration::from_millis(100);

/// Burn's dashboard on the terminal, from [`Dashboard::new`] until it is finished or dropped.
///
/// While it stands, the keyboard is the dashboard's, Ctrl-C included. `q` offers to stop: "stop the training" sets the
/// stop flag, and the run ends in order; "stop immediately" makes the next [`Dashboard::show`] panic.
pub struct Dashboard {
    // The order is that of dropping: the terminal is given back, then the notes are told.
    renderer: TuiMetricsRendererWrapper,
    notes: Notes,
    /// The furthest step: Burn's estimate of the time left takes no step back, as after a roll-back.
    furthest: u64,
    _watch: Sender<()>,
}

impl Dashboard {
    /// Opens the dashboard of a run of `total_steps` steps. `stop` is set when the user asks to stop.
    ///
    /// # Errors
    /// If standard output is not a terminal.
    pub fn new(total_steps: u64, stop: Arc<AtomicBool>) -> Result<Self, ReportError> {
        if !stdout().is_terminal() {
            return Err(ReportError::NoTerminal);
        }
        let interrupter = Interrupter::new();
        let mut renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        for name in [LOSS, NORM, LR, SPEED, MFU] {
            renderer.register_metric(definition(name));
        }
        // One epoch, the first, of as many items as there are steps. A total of 0 would divide by 0.
        renderer.start(1, 1, Some(total_steps.max(1) as usize), Some("items are steps"));
        Ok(Self { renderer, notes: Notes::default(), furthest: 0, _watch: watch(interrupter, stop) })
    }

    /// Shows the figures of an event.
    ///
    /// # Panics
    /// If the user has chosen, on the dashboard, to kill the program; the terminal is given back before.
    pub fn show(&mut self, event: &Metrics) {
        let train = [
            (LOSS, event.train_loss, 4),
            (NORM, event.grad_norm, 3),
            (LR, event.lr, 6),
            (SPEED, event.tokens_per_second, 0),
            (MFU, event.mfu.map(|mfu| 100.0 * mfu), 1),
        ];
        for (name, figure, decimals) in train {
            if let Some(figure) = figure {
                self.renderer.update_train(state(name, figure, decimals));
            }
        }
        if let Some(loss) = event.val_loss {
            self.renderer.update_valid(state(LOSS, loss, 4));
        }
        self.furthest = self.furthest.max(event.step);
        self.renderer.update_split(self.furthest as usize);
    }

    /// Keeps `text` until the dashboard closes.
    pub fn note(&mut self, text: &str) {
        self.notes.0.push(text.to_owned());
    }

    /// Gives the terminal back, then prints the notes on standard error.
    pub fn finish(self) {}
}

/// What is told when the dashboard has left the screen.
#[derive(Default)]
struct Notes(Vec<String>);

impl Drop for Notes {
    fn drop(&mut self) {
        self.0.iter().for_each(|note| say(note));
    }
}

fn id(name: &str) -> MetricId {
    MetricId::new(Arc::new(name.to_owned()))
}

/// Without the attribute "numeric" a metric gets its tab with its first value: what is never measured has none.
fn definition(name: &str) -> MetricDefinition {
    MetricDefinition {
        metric_id: id(name),
        name: Arc::new(name.to_owned()),
        description: None,
        attributes: MetricAttributes::None,
    }
}

/// A value in words, and as a point of the plot where it is finite.
fn state(name: &str, value: f64, decimals: usize) -> MetricState {
    let entry = MetricEntry::new(id(name), SerializedEntry::new(format!("{value:.decimals$}"), value.to_string()));
    match value.is_finite() {
        true => MetricState::Numeric(entry, Some(NumericEntry::Value(value))),
        false => MetricState::Generic(entry),
    }
}

/// Sets `stop` once the user has asked to stop, between events too; ends when the returned sender is dropped.
fn watch(interrupter: Interrupter, stop: Arc<AtomicBool>) -> Sender<()> {
    let (open, closed) = mpsc::channel();
    thread::spawn(move || {
        while closed.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
            if interrupter.should_stop() {
                return stop.store(true, Ordering::Relaxed);
            }
        }
    });
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_not_finite_is_told_but_not_plotted() {
        let MetricState::Numeric(entry, Some(NumericEntry::Value(value))) = state(LOSS, 2.34567, 4) else { panic!() };
        assert_eq!((entry.serialized_entry.formatted.as_str(), value), ("2.3457", 2.34567));
        let MetricState::Generic(entry) = state(LOSS, f64::NAN, 4) else { panic!() };
        assert_eq!(entry.serialized_entry.formatted, "NaN");
    }

    #[test]
    fn the_users_wish_sets_the_flag() {
        let (interrupter, stop) = (Interrupter::new(), Arc::new(AtomicBool::new(false)));
        let _watch = watch(interrupter.clone(), stop.clone());
        interrupter.stop(None);
        let set = (0..100).any(|_| {
            thread::sleep(POLL / 10);
            stop.load(Ordering::Relaxed)
        });
        assert!(set);
    }
}
