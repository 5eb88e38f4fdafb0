//! Guards against instability: which updates are left out, and when a run goes back or ends.
//!
//! The device decides about an update, by a [`Ceiling`] that it is given with the step's work: nothing waits. The host
//! hears of it a step later. A ceiling comes from steps whose figures are known by then in any case, so a run that is
//! resumed, whose host has read more, decides the same.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

/// What is not borne. Each guard has its own setting; 0 turns it off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardConfig {
    /// Steps in a row whose loss or gradient is not finite until the run goes back to its last checkpoint, and on with
    /// the data that comes next. Each of their updates is left out. Default 3.
    pub bad_steps: u64,
    /// Times that the run goes back before it ends. Default 3.
    pub restores: u64,
    /// An update is left out where its loss is so many standard deviations above the mean of the window (as in llm.c).
    /// Default 10.
    pub loss_z: f64,
    /// As `loss_z`, for the global norm of the gradient before clipping. Default 10.
    pub norm_z: f64,
    /// Steps of the window; until there are so many no finite update is left out. Default 128.
    pub window: usize,
    /// Nats that the median loss over the window may lie above the lowest such median until the run ends. Default 2.
    pub divergence: f64,
    /// Times that a lost device is opened again, and the run goes on from its last checkpoint. Default 3.
    pub device_losses: u64,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self { bad_steps: 3, restores: 3, loss_z: 10.0, norm_z: 10.0, window: 128, divergence: 2.0, device_losses: 3 }
    }
}

/// The figures that a step's update may have.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Of the mean loss, nats.
    pub loss: f32,
    /// Of the global norm of the gradient.
    pub grad_norm: f32,
}

impl Ceiling {
    /// Everything finite. Not f32's largest number: a driver that rules out infinities may take every number to be below.
    pub const FINITE: Self = Self { loss: 1e30, grad_norm: 1e30 };

    /// Whether an update with these figures, `[1]` each, is wanted, `[1]`; on the device.
    pub fn admits(&self, loss: &Tensor<1>, grad_norm: &Tensor<1>) -> Tensor<1, Bool> {
        // What is no number is not below anything.
        let loss = loss.clone().lower_equal_scalar(self.loss);
        loss.bool_and(grad_norm.clone().lower_equal_scalar(self.grad_norm))
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Its number, from 0.
    pub step: u64,
    /// Mean loss, nats.
    pub loss: f32,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f32,
}

impl Figures {
    fn are_finite(&self) -> bool {
        self.loss.is_finite() && self.grad_norm.is_finite()
    }
}

/// What follows from a step's figures; in words, for people.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// The update was left out.
    LeftOut(String),
    /// As before, and too often: to the last checkpoint.
    GoBack(String),
    /// The run has diverged.
    Diverged(String),
}

/// What the guards remember; part of a run's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    /// Finite figures, oldest first: those of the window and of two steps more.
    recent: VecDeque<Figures>,
    bad_in_a_row: u64,
    lowest_median: Option<f32>,
}

/// The host knows a step's figures at the latest when it queues the second step after it.
const KNOWN_AFTER: u64 = 2;

impl Guard {
    /// The loss of the last step that was finite.
    pub fn last_loss(&self) -> Option<f32> {
        self.recent.back().map(|figures| figures.loss)
    }

    /// What `step` is judged by.
    pub fn ceiling(&self, config: &GuardConfig, step: u64) -> Ceiling {
        let known: Vec<&Figures> = self.recent.iter().filter(|it| it.step + KNOWN_AFTER <= step).collect();
        if known.len() < config.window {
            return Ceiling::FINITE;
        }
        let window = &known[known.len() - config.window..];
        let limit = |z: f64, of: fn(&Figures) -> f32| {
            if z == 0.0 {
                return 1e30;
            }
            let values = window.iter().map(|it| f64::from(of(it)));
            let mean = values.clone().sum::<f64>() / window.len() as f64;
            let variance = values.map(|it| (it - mean).powi(2)).sum::<f64>() / window.len() as f64;
            (mean + z * variance.sqrt()) as f32
        };
        Ceiling { loss: limit(config.loss_z, |it| it.loss), grad_norm: limit(config.norm_z, |it| it.grad_norm) }
    }

    /// Takes note of a step, in order; `wanted` is what the device made of [`Guard::ceiling`].
    pub fn observe(&mut self, config: &GuardConfig, figures: Figures, wanted: bool) -> Verdict {
        let Figures { step, loss, grad_norm } = figures;
        if !figures.are_finite() {
            self.bad_in_a_row += 1;
            let what = format!("step {step}: loss {loss}, gradient norm {grad_norm}: the update is left out");
            return match config.bad_steps {
                0 => Verdict::LeftOut(what),
                limit if self.bad_in_a_row < limit => {
                    Verdict::LeftOut(format!("{what} ({} of {limit} in a row)", self.bad_in_a_row))
                }
                limit => Verdict::GoBack(format!("{what}, the last of {limit} in a row")),
            };
        }
        self.bad_in_a_row = 0;
        let ceiling = self.ceiling(config, step);
        self.recent.push_back(figures);
        while self.recent.len() > config.window + KNOWN_AFTER as usize {
            self.recent.pop_front();
        }
        if let Some(report) = self.divergence(config) {
            return Verdict::Diverged(format!("step {step}: {report}"));
        }
        if wanted {
            return Verdict::Fine;
        }
        let Ceiling { loss: most_loss, grad_norm: most_norm } = ceiling;
        let window = config.window;
        Verdict::LeftOut(match loss > most_loss {
            true => format!(
                "step {step}: a spike of the loss, {loss:.4}, over {most_loss:.4} (guard.loss_z = {} of the last \
                 {window} steps): the update is left out",
                config.loss_z
            ),
            false => format!(
                "step {step}: a spike of the gradient's norm, {grad_norm:.3}, over {most_norm:.3} (guard.norm_z = {} of \
                 the last {window} steps): the update is left out",
                config.norm_z
            ),
        })
    }

    fn divergence(&mut self, config: &GuardConfig) -> Option<String> {
        let window = config.window;
        if config.divergence == 0.0 || self.recent.len() < window {
            return None;
        }
        // Not the mean, which one spike would lift.
        let mut newest: Vec<f32> = self.recent.iter().rev().take(window).map(|it| it.loss).collect();
        let (_, median, _) = newest.select_nth_unstable_by(window / 2, f32::total_cmp);
        let median = *median;
        let lowest = self.lowest_median.unwrap_or(median).min(median);
        self.lowest_median = Some(lowest);
        (f64::from(median) > f64::from(lowest) + config.divergence).then(|| {
            format!(
                "the median loss of {window} steps is {median:.4}, and was {lowest:.4}: more than guard.divergence = {} \
                 above",
                config.divergence
            )
        })
    }
}
