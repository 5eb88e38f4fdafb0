//! Progress on standard error: a bar on a terminal, lines anywhere else.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressFinish, ProgressState, ProgressStyle};
use ratatui::crossterm::terminal;

use super::{bar::Bar, line::line, say::say};
use crate::session::Metrics;

/// How often the bar's clocks move while no event comes.
const TICK: Duration = Duration::from_millis(500);
/// About how many lines a run prints where there is no bar, evaluations aside.
const LINES: u64 = 50;
/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;

/// The progress of a run.
#[derive(Debug)]
pub(super) struct RunProgress {
    total_steps: u64,
    /// None where standard error is not a terminal, as in a log file or in CI.
    bar: Option<ProgressBar>,
    shown: Arc<Mutex<Shown>>,
}

/// What the bar shows, and since when: a figure stays until it is measured again.
#[derive(Debug)]
struct Shown {
    bar: Bar,
    since: Instant,
}

impl RunProgress {
    /// Begins to show a run of `total_steps` steps.
    pub fn new(total_steps: u64) -> Self {
        let bar = Bar { steps: [0, total_steps], ..Bar::default() };
        let shown = Arc::new(Mutex::new(Shown { bar, since: Instant::now() }));
        let bar = ProgressBar::new(total_steps).with_style(style(shown.clone())).with_finish(ProgressFinish::Abandon);
        let bar = (!bar.is_hidden()).then_some(bar);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(TICK);
        }
        Self { total_steps, bar, shown }
    }

    /// Shows the figures of an event, after which the run takes about `left` seconds.
    pub fn show(&mut self, event: &Metrics, left: Option<f64>) {
        let Some(bar) = &self.bar else {
            let interval = (self.total_steps / LINES).max(1);
            if event.val_loss.is_some() || event.step.is_multiple_of(interval) {
                say(&line(event, self.total_steps, left));
            }
            return;
        };
        if event.val_loss.is_some() {
            bar.println(line(event, self.total_steps, None));
        }
        self.update(event, left);
        bar.tick();
    }

    /// Begins where an earlier attempt has come to, which had these figures.
    pub fn rewind(&mut self, step: u64, earlier: &[Metrics]) {
        earlier.iter().for_each(|event| self.update(event, None));
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).bar.steps[0] = step;
    }

    fn update(&self, event: &Metrics, left: Option<f64>) {
        let mut state = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Shown { bar: Bar { steps, shown, left: shown_left }, since } = &mut *state;
        *shown = Metrics {
            train_loss: event.train_loss.or(shown.train_loss),
            val_loss: event.val_loss.or(shown.val_loss),
            tokens_per_second: event.tokens_per_second.or(shown.tokens_per_second),
            mfu: event.mfu.or(shown.mfu),
            ..event.clone()
        };
        steps[0] = event.steps_done();
        (*shown_left, *since) = (left, Instant::now());
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

/// All of the bar is one key, which is made anew at each tick: its width is that of the terminal, and its clocks move.
fn style(shown: Arc<Mutex<Shown>>) -> ProgressStyle {
    let text = move |state: &ProgressState, out: &mut dyn fmt::Write| {
        let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        // The last column of some terminals wraps.
        let columns = terminal::size().map_or(COLUMNS, |(columns, _)| usize::from(columns).max(2) - 1);
        let _ = out.write_str(&shown.now().text(state.elapsed().as_secs_f64(), columns));
    };
    ProgressStyle::with_template("{run}").expect("the template is fixed, and a test makes it").with_key("run", text)
}

impl Shown {
    /// The bar with the time left as it is by now.
    fn now(&self) -> Bar {
        let passed = self.since.elapsed().as_secs_f64();
        Bar { left: self.bar.left.map(|left| (left - passed).max(0.0)), ..self.bar.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_stays_until_it_is_measured_again() {
        let mut progress = RunProgress::new(100);
        progress.rewind(9, &[Metrics { step: 5, train_loss: Some(4.0), val_loss: Some(3.5), ..Metrics::default() }]);
        let text = |progress: &RunProgress| progress.shown.lock().unwrap().now().text(0.0, 60);
        assert!(text(&progress).ends_with("]   9 %  9/100  loss 4.000  val 3.500"), "{}", text(&progress));
        progress.update(&Metrics { step: 20, train_loss: Some(2.0), ..Metrics::default() }, Some(20.4));
        let shown = text(&progress);
        assert!(shown.ends_with(" 21 %  21/100  loss 2.000  val 3.500  left 0:20"), "{shown}");
        style(progress.shown.clone());
    }
}
