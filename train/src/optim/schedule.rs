//! The learning rate as a pure function of the step, so that a resumed run continues it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of the schedule after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// Stays at the peak.
    Constant,
    /// Half a cosine from the peak to the final rate (Loshchilov and Hutter 2017, arXiv 1608.03983), as in nanoGPT.
    Cosine,
    /// Warm-up, stable, decay: the peak until `decay_steps` before the end, then linear to the final rate (arXiv
    /// 2404.06395).
    Wsd,
}

/// How the learning rate moves. Steps count from 0.
///
/// Warm-up is linear: step `s` has `peak * (s + 1) / (warmup_steps + 1)`, and step `warmup_steps` the peak. A decline comes to
/// the final rate at step `total`, one behind the run's last, `total - 1`, as in nanoGPT: the last update has a little more.
/// Steps beyond `total` have the final rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The shape after warm-up. Default `cosine`.
    pub kind: ScheduleKind,
    /// Steps until the peak. Default 100.
    pub warmup_steps: u64,
    /// Steps of the final decline; `wsd` only. Default 0.
    pub decay_steps: u64,
    /// The learning rate that a decline ends with; `cosine` and `wsd`. Default: a tenth of `optimizer.learning_rate`, as
    /// nanoGPT advises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_learning_rate: Option<f64>,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { kind: ScheduleKind::Cosine, warmup_steps: 100, decay_steps: 0, final_learning_rate: None }
    }
}

impl Schedule {
    /// The learning rate that a decline from `peak` ends with.
    pub fn final_rate(&self, peak: f64) -> f64 {
        self.final_learning_rate.unwrap_or(peak / 10.0)
    }

    /// What is odd about a run of `total` steps with this schedule, a sentence each: it is done as said all the same.
    pub fn oddities(&self, total: u64, peak: f64) -> Vec<String> {
        let mut odd = Vec::new();
        if peak == 0.0 && self.final_rate(peak) == 0.0 {
            odd.push("optimizer.learning_rate = 0: no weight will change".to_string());
        }
        if let Some(last) = self.final_learning_rate.filter(|last| *last > peak && self.kind != ScheduleKind::Constant)
        {
            odd.push(format!(
                "schedule.final_learning_rate = {last:e} is above optimizer.learning_rate = {peak:e}: the rate rises to it"
            ));
        }
        if self.warmup_steps >= total {
            let reached = self.learning_rate(total.saturating_sub(1), total, peak);
            odd.push(format!(
                "schedule.warmup_steps = {}, and the run has {total} steps: the rate reaches {reached:.2e} of {peak:e}",
                self.warmup_steps
            ));
        }
        odd
    }

    /// The learning rate for the update of `step` (from 0) in a run of `total` steps.
    pub fn learning_rate(&self, step: u64, total: u64, peak: f64) -> f64 {
        if step < self.warmup_steps {
            return peak * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let fraction = |start: u64| {
            let length = total.saturating_sub(start).max(1);
            ((step.saturating_sub(start)) as f64 / length as f64).min(1.0)
        };
        let last = self.final_rate(peak);
        match self.kind {
            ScheduleKind::Constant => peak,
            ScheduleKind::Cosine => {
                let cosine = (std::f64::consts::PI * fraction(self.warmup_steps)).cos();
                last + 0.5 * (1.0 + cosine) * (peak - last)
            }
            ScheduleKind::Wsd => {
                let start = total.saturating_sub(self.decay_steps).max(self.warmup_steps);
                peak + fraction(start) * (last - peak)
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

    /// The last update is one step of the course above the final rate: 1 / 1900 of the way by the cosine, 1 / 400 in a line.
    #[test]
    fn the_final_rate_is_that_of_the_step_behind_the_last() {
        let cosine = Schedule::default();
        let last = 1e-4 + 0.5 * 9e-4 * (1.0 - (std::f64::consts::PI / 1900.0).cos());
        assert_close(&rates(&cosine, &[1999, 2000]), &[last, 1e-4]);
        let wsd = Schedule { kind: ScheduleKind::Wsd, decay_steps: 400, ..Schedule::default() };
        assert_close(&rates(&wsd, &[1999, 2000]), &[1e-4 + 9e-4 / 400.0, 1e-4]);
    }

    /// Up to the peak, then never up again, and never outside of what the settings say; for 2000 schedules at random.
    #[test]
    fn every_schedule_rises_and_then_falls() {
        let mut state = 1u64;
        let mut below = |limit: u64| {
            // splitmix64 (Steele et al. 2014).
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) % limit
        };
        for _ in 0..2000 {
            let schedule = Schedule {
                kind: [ScheduleKind::Constant, ScheduleKind::Cosine, ScheduleKind::Wsd][below(3) as usize],
                warmup_steps: below(20),
                decay_steps: below(60),
                final_learning_rate: Some(below(1000) as f64 * 1e-6),
            };
            let total = below(50);
            let rates: Vec<f64> = (0..70).map(|step| schedule.learning_rate(step, total, 1e-3)).collect();
            let (rise, fall) = rates.split_at(schedule.warmup_steps as usize);
            assert!(rise.is_sorted() && fall.is_sorted_by(|a, b| a >= b), "{schedule:?} of {total}: {rates:?}");
            if schedule.warmup_steps < total.saturating_sub(schedule.decay_steps) {
                assert!((fall[0] - 1e-3).abs() < 1e-15, "{schedule:?} of {total}: {rates:?}");
            }
            let low = if schedule.kind == ScheduleKind::Constant { 1e-3 } else { schedule.final_rate(1e-3) };
            assert!(rise.iter().all(|rate| (0.0..=1e-3).contains(rate)), "{schedule:?} of {total}: {rates:?}");
            // But for the rounding of the last sum.
            assert!(
                fall.iter().all(|rate| (low - 1e-15..=1e-3 + 1e-15).contains(rate)),
                "{schedule:?} of {total}: {rates:?}"
            );
        }
    }

    /// A fine-tuning rate is below what was once the default of the final one: no schedule rises unless it is told to.
    #[test]
    fn the_final_rate_goes_with_the_peak() {
        let schedule = Schedule { warmup_steps: 0, ..Schedule::default() };
        let rates: Vec<f64> = (0..=20).map(|step| schedule.learning_rate(step, 20, 1e-5)).collect();
        assert!(rates.is_sorted_by(|a, b| a > b), "{rates:?}");
        assert_close(&[rates[0], rates[20]], &[1e-5, 1e-6]);
        assert_close(&[0, 7, 20].map(|step| schedule.learning_rate(step, 20, 0.0)), &[0.0; 3]);
    }

    #[test]
    fn what_is_odd_is_said() {
        let said = |schedule: Schedule, peak| schedule.oddities(50, peak).join("; ");
        assert_eq!(said(Schedule { warmup_steps: 49, ..Schedule::default() }, 1e-3), "");
        let rises = Schedule { warmup_steps: 0, final_learning_rate: Some(1e-4), ..Schedule::default() };
        let told = "schedule.final_learning_rate = 1e-4 is above optimizer.learning_rate = 1e-5: the rate rises to it";
        assert_eq!(said(rises.clone(), 1e-5), told);
        assert_eq!(said(Schedule { kind: ScheduleKind::Constant, ..rises }, 1e-5), "");
        let told = "schedule.warmup_steps = 100, and the run has 50 steps: the rate reaches 4.95e-4 of 1e-3";
        assert_eq!(said(Schedule::default(), 1e-3), told);
        assert!(
            said(Schedule { warmup_steps: 0, ..Schedule::default() }, 0.0).starts_with("optimizer.learning_rate = 0")
        );
    }

    #[test]
    fn constant_without_warm_up_is_the_peak() {
        let schedule = Schedule { kind: ScheduleKind::Constant, warmup_steps: 0, ..Schedule::default() };
        assert_close(&rates(&schedule, &[0, 1, 1999]), &[1e-3; 3]);
    }
}
