//! What the dashboard knows of the run.

use std::{collections::VecDeque, time::Instant};

use super::curve::Curve;
use crate::{
    report::{RunOutline, screen::tell_later},
    session::{Best, Event, Metrics},
};

/// Lines of the log that can be shown.
const LOG: usize = 200;

/// A line of the log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub text: String,
    /// Whether it tells of something that went wrong.
    pub is_warning: bool,
}

/// What the dashboard knows of the run.
pub(super) struct Board {
    pub outline: RunOutline,
    /// How the steps are taken; empty until that is known.
    pub plan: String,
    pub train: Curve,
    pub validation: Curve,
    /// The newest of each figure.
    pub shown: Metrics,
    /// The lowest loss of an evaluation.
    pub best: Option<Best>,
    /// The newest text, and the steps until it.
    pub sample: Option<(u64, String)>,
    /// Steps until the newest checkpoint.
    pub saved: Option<u64>,
    pub log: VecDeque<Entry>,
    pub is_paused: bool,
    pub is_ending: bool,
    /// When it was opened.
    pub opened: Instant,
    steps_done: u64,
    /// Seconds that were left, and when.
    left: Option<(f64, Instant)>,
}

impl Board {
    pub fn new(outline: RunOutline) -> Self {
        Self {
            outline,
            plan: String::new(),
            train: Curve::default(),
            validation: Curve::default(),
            shown: Metrics::default(),
            best: None,
            sample: None,
            saved: None,
            log: VecDeque::new(),
            is_paused: false,
            is_ending: false,
            opened: Instant::now(),
            steps_done: 0,
            left: None,
        }
    }

    /// Takes note of an event, after which the run takes about `left` seconds.
    pub fn hear(&mut self, event: Event, left: Option<f64>) {
        match event {
            Event::Step(metrics) => {
                self.figures(&metrics);
                self.left = left.map(|left| (left, Instant::now()));
            }
            Event::Evaluation(metrics) => {
                let lowest = self.best.map_or(f64::INFINITY, |best| best.loss.into());
                self.figures(&metrics);
                self.left = left.map(|left| (left, Instant::now()));
                let loss = metrics.val_loss.unwrap_or(f64::NAN);
                let best = if loss < lowest { ", the lowest so far" } else { "" };
                self.tell(format!("step {}: validation {loss:.4}{best}", metrics.step), false);
            }
            Event::Sample { step, prompt, text } => {
                tell_later(format!("sample at step {step}: {prompt}{text}"));
                self.log(format!("step {step}: a text"), false);
                self.sample = Some((step, prompt + &text));
            }
            Event::Checkpoint { step, location } => {
                self.saved = Some(step);
                self.tell(format!("step {step}: checkpoint {location}"), false);
            }
            Event::Plan(text) => {
                if self.plan.is_empty() {
                    self.plan = text.clone();
                }
                self.tell(text, false);
            }
            Event::Note(text) => {
                let is_warning = text.starts_with("warning");
                self.tell(text, is_warning);
            }
            Event::Trouble(text) => self.tell(text, true),
            Event::Rewind { .. } => {}
        }
    }

    /// The run goes on after `step` steps, with what was measured before.
    pub fn rewind(&mut self, step: u64, earlier: &[Metrics]) {
        (self.train, self.validation) = (Curve::default(), Curve::default());
        (self.shown, self.best, self.left) = (Metrics::default(), None, None);
        self.plan.clear();
        earlier.iter().for_each(|metrics| self.figures(metrics));
        // How fast it was says nothing of how fast it will be.
        (self.shown.tokens_per_second, self.shown.mfu) = (None, None);
        self.steps_done = step;
        self.saved = (step > 0).then_some(step);
    }

    fn figures(&mut self, metrics: &Metrics) {
        let shown = &self.shown;
        self.shown = Metrics {
            train_loss: metrics.train_loss.or(shown.train_loss),
            val_loss: metrics.val_loss.or(shown.val_loss),
            grad_norm: metrics.grad_norm.or(shown.grad_norm),
            lr: metrics.lr.or(shown.lr),
            tokens_per_second: metrics.tokens_per_second.or(shown.tokens_per_second),
            mfu: metrics.mfu.or(shown.mfu),
            ..metrics.clone()
        };
        self.steps_done = metrics.steps_done();
        if let Some(loss) = metrics.train_loss {
            self.train.push(metrics.step, loss);
        }
        if let Some(loss) = metrics.val_loss {
            self.validation.push(metrics.step, loss);
            let is_best = loss.is_finite() && self.best.is_none_or(|best| loss < f64::from(best.loss));
            if is_best {
                self.best = Some(Best { step: metrics.step, loss: loss as f32 });
            }
        }
    }

    /// Takes note of a line that is told elsewhere.
    pub fn said(&mut self, line: String) {
        let is_warning = ["warning", "error"].iter().any(|word| line.starts_with(word));
        self.log(line, is_warning);
    }

    /// Takes note of a line that is told again when the dashboard is gone.
    fn tell(&mut self, text: String, is_warning: bool) {
        tell_later(text.clone());
        self.log(text, is_warning);
    }

    fn log(&mut self, text: String, is_warning: bool) {
        if self.log.len() == LOG {
            self.log.pop_front();
        }
        self.log.push_back(Entry { text, is_warning });
    }

    /// Steps that are done.
    pub fn steps_done(&self) -> u64 {
        self.steps_done
    }

    /// Seconds to the end as it is now; while the run pauses they do not pass.
    pub fn left(&self) -> Option<f64> {
        let passed = |since: Instant| if self.is_paused { 0.0 } else { since.elapsed().as_secs_f64() };
        self.left.map(|(left, since)| (left - passed(since)).max(0.0))
    }
}
