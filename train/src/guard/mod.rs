//! Guards against instability: which updates are left out, and when a run goes back or ends.
//!
//! The device decides about an update, by a [`Ceiling`] that it is given with the step's work: nothing waits. The host
//! hears of it a step later. A ceiling comes from steps whose figures are known by then in any case, so a run that is
//! resumed, whose host has read more, decides the same.

mod ceiling;
mod config;
#[cfg(test)]
mod tests;
mod verdict;
mod window;

use serde::{Deserialize, Serialize};

pub use ceiling::Ceiling;
pub use config::GuardConfig;
pub use verdict::{BadSteps, Divergence, Verdict};
pub use window::Figures;
use window::Window;

/// What the guards remember; part of a run's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guard {
    recent: Window,
    /// Newest steps whose figures were not finite.
    bad_in_a_row: u64,
    /// Newest steps with finite figures whose updates were left out. Checkpoints before version 0.2 do not have it.
    #[serde(default)]
    left_out_in_a_row: u64,
    lowest_median: Option<f32>,
}

impl Guard {
    /// The loss of the last step that was finite.
    pub fn last_loss(&self) -> Option<f32> {
        self.recent.last_loss()
    }

    /// What the update of `step` is judged by: the mean of the window and so many standard deviations more. Outliers are
    /// not in the window, or the first would make the guard blind for the next.
    ///
    /// As in llm.c, nothing is an outlier where all values are equal.
    pub fn ceiling(&self, config: &GuardConfig, step: u64) -> Ceiling {
        self.recent.ceiling(config, step)
    }

    /// Takes note of a step, in order; `wanted` is what the device made of [`Guard::ceiling`].
    pub fn observe(&mut self, config: &GuardConfig, figures: Figures, wanted: bool) -> Verdict {
        if !figures.are_finite() {
            return self.observe_bad(config, figures);
        }
        self.bad_in_a_row = 0;
        self.left_out_in_a_row = if wanted { 0 } else { self.left_out_in_a_row + 1 };
        let ceiling = self.ceiling(config, figures.step);
        self.recent.push(config, figures, self.left_out_in_a_row);
        if let Some(reason) = self.divergence(config, figures.step) {
            return Verdict::Diverged(reason);
        }
        match wanted {
            true => Verdict::Fine,
            false => Verdict::LeftOut(spike(config, figures, ceiling)),
        }
    }

    /// Takes note of a step whose loss or gradient is not finite.
    fn observe_bad(&mut self, config: &GuardConfig, last: Figures) -> Verdict {
        self.bad_in_a_row += 1;
        let in_a_row = self.bad_in_a_row;
        let what = last.left_out();
        match config.bad_steps {
            0 => Verdict::LeftOut(what),
            limit if in_a_row < limit => Verdict::LeftOut(format!("{what} ({in_a_row} of {limit} in a row)")),
            _ => Verdict::GoBack(BadSteps { last, in_a_row }),
        }
    }

    /// Why the run is to end, if it is.
    fn divergence(&mut self, config: &GuardConfig, step: u64) -> Option<Divergence> {
        let GuardConfig { window, divergence: allowed, .. } = *config;
        if allowed == 0.0 {
            return None;
        }
        let median = self.recent.median_loss(window)?;
        let lowest = self.lowest_median.unwrap_or(median).min(median);
        self.lowest_median = Some(lowest);
        (f64::from(median) > f64::from(lowest) + allowed).then_some(Divergence::Loss {
            step,
            window,
            median,
            lowest,
            allowed,
        })
    }
}

/// Tells of a step whose update was left out for its figures.
fn spike(config: &GuardConfig, Figures { step, loss, grad_norm }: Figures, ceiling: Ceiling) -> String {
    let GuardConfig { window, loss_z, norm_z, .. } = config;
    match loss > ceiling.loss {
        true => format!(
            "step {step}: a spike of the loss, {loss:.4}, over {:.4} (guard.loss_z = {loss_z} of the last {window} \
             steps): the update is left out",
            ceiling.loss
        ),
        false => format!(
            "step {step}: a spike of the gradient's norm, {grad_norm:.3}, over {:.3} (guard.norm_z = {norm_z} of the \
             last {window} steps): the update is left out",
            ceiling.grad_norm
        ),
    }
}
