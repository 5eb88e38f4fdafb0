//! Progress on standard error: a bar on a terminal, lines anywhere else.

use std::{
    io::{self, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use super::line::{line, message};
use crate::session::Metrics;

/// How often the clock of the bar moves while no event comes.
const TICK: Duration = Duration::from_millis(500);
/// About how many lines a run prints where there is no bar, evaluations aside.
const LINES: u64 = 50;

/// The progress of a run.
#[derive(Debug)]
pub struct RunProgress {
    total_steps: u64,
    /// None where standard error is not a terminal, as in a log file or in CI.
    bar: Option<ProgressBar>,
    /// What the bar shows: a figure stays until it is measured again.
    shown: Metrics,
}

impl RunProgress {
    /// Begins to show a run of `total_steps` steps.
    pub fn new(total_steps: u64) -> Self {
        let bar = ProgressBar::new(total_steps).with_style(style()).with_finish(ProgressFinish::Abandon);
        let bar = (!bar.is_hidden()).then_some(bar);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(TICK);
        }
        Self { total_steps, bar, shown: Metrics::default() }
    }

    /// Shows the figures of an event.
    pub fn show(&mut self, event: &Metrics) {
        let Some(bar) = &self.bar else {
            let interval = (self.total_steps / LINES).max(1);
            if event.val_loss.is_some() || event.step.is_multiple_of(interval) {
                say(&line(event, self.total_steps));
            }
            return;
        };
        self.shown = Metrics {
            train_loss: event.train_loss.or(self.shown.train_loss),
            val_loss: event.val_loss.or(self.shown.val_loss),
            tokens_per_second: event.tokens_per_second.or(self.shown.tokens_per_second),
            mfu: event.mfu.or(self.shown.mfu),
            ..event.clone()
        };
        bar.set_position(event.step);
        bar.set_message(message(&self.shown, self.total_steps));
    }

    /// Prints `text`, of one line or several, above the bar.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => say(text),
        }
    }

    /// Ends the bar and leaves it on the screen as it stands.
    pub fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{elapsed_precise} [{bar:24}] {pos}/{len}  {wide_msg}")
        .expect("the template is fixed, and a test makes it")
        .progress_chars("=> ")
}

/// A line on standard error. A reader that has gone away (`hearth train 2>&1 | head`) does not end a run.
pub(super) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;

    use super::*;

    #[test]
    fn a_figure_stays_until_it_is_measured_again() {
        let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::hidden()).with_style(style());
        let mut progress = RunProgress { total_steps: 100, bar: Some(bar), shown: Metrics::default() };
        progress.show(&Metrics { step: 10, train_loss: Some(3.0), val_loss: Some(3.5), ..Metrics::default() });
        progress.show(&Metrics { step: 20, seconds: 5.0, train_loss: Some(2.0), ..Metrics::default() });
        let bar = progress.bar.as_ref().unwrap();
        assert_eq!((bar.position(), bar.message().as_str()), (20, "loss 2.000  val 3.500  left 0:20"));
    }
}
