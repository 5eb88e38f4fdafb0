//! The learning rate as a pure function of the step, so that a resumed run continues it.

use serde::{Deserialize, Serialize};

/// The shape of the schedule after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Stays at the peak.
    Constant,
    /// Half a cosine from the peak to the final rate at the last step (Loshchilov and Hutter 2017, arXiv 1608.03983).
    Cosine,
    /// Warm-up, stable, decay: the peak until `decay_steps` before the end, then linear (arXiv 2404.06395).
    Wsd,
}

/// How the learning rate moves. Warm-up is linear from `peak / (warmup_steps + 1)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The shape after warm-up.
    pub kind: ScheduleKind,
    /// Steps until the peak.
    pub warmup_steps: u64,
    /// Steps of the final decline; `wsd` only.
    pub decay_steps: u64,
    /// The learning rate at the end; `cosine` and `wsd`.
    pub final_learning_rate: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { kind: ScheduleKind::Cosine, warmup_steps: 100, decay_steps: 0, final_learning_rate: 1e-4 }
    }
}

impl Schedule {
    /// The learning rate for the update of `step` (from 0) in a run of `total` steps.
    pub fn learning_rate(&self, step: u64, total: u64, peak: f64) -> f64 {
        if step < self.warmup_steps {
            return peak * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let fraction = |start: u64| {
            let length = total.saturating_sub(start).max(1);
            ((step.saturating_sub(start)) as f64 / length as f64).min(1.0)
        };
        match self.kind {
            ScheduleKind::Constant => peak,
            ScheduleKind::Cosine => {
                let cosine = (std::f64::consts::PI * fraction(self.warmup_steps)).cos();
                self.final_learning_rate + 0.5 * (1.0 + cosine) * (peak - self.final_learning_rate)
            }
            ScheduleKind::Wsd => {
                let start = total.saturating_sub(self.decay_steps).max(self.warmup_steps);
                peak + fraction(start) * (self.final_learning_rate - peak)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: &Schedule, steps: &[u64]) -> Vec<f64> {
        steps.iter().map(|step| schedule.learning_rate(*step, 2000, 1e-3)).collect()
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
    }

    /// nanoGPT's `get_lr` for peak 1e-3, minimum 1e-4, warm-up 100, 2000 iterations.
    #[test]
    fn cosine_is_nanogpts() {
        let schedule = Schedule::default();
        let expected = [1e-3 / 101.0, 1e-3 * 100.0 / 101.0, 1e-3, 5.5e-4, 1e-4, 1e-4];
        assert_close(&rates(&schedule, &[0, 99, 100, 1050, 2000, 5000]), &expected);
    }

    #[test]
    fn wsd_stays_then_falls_in_a_line() {
        let schedule = Schedule { kind: ScheduleKind::Wsd, decay_steps: 400, ..Schedule::default() };
        assert_close(&rates(&schedule, &[100, 1600, 1800, 2000]), &[1e-3, 1e-3, 5.5e-4, 1e-4]);
    }

    #[test]
    fn constant_without_warm_up_is_the_peak() {
        let schedule = Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() };
        assert_close(&rates(&schedule, &[0, 1, 1999]), &[1e-3; 3]);
    }
}
