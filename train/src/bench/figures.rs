//! What a bench finds.

use serde::Serialize;

/// What a step takes, and its parts. As JSON it has the same fields.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct BenchReport {
    /// Name of the device.
    pub device: String,
    /// Number of the model's parameters.
    pub parameters: usize,
    /// Tokens of a step.
    pub tokens_per_step: u64,
    /// How a step is cut, in words.
    pub cut: String,
    /// Number of steps that were timed.
    pub steps: usize,
    /// A whole step.
    pub step: Spread,
    /// Its parts, which come to the median of the step; empty where they were not measured.
    pub parts: Vec<PartTime>,
    /// Tokens a second, by the median.
    pub tokens_per_second: f64,
    /// Operations of a step's matrix products: see [`Flops`](hearth_model::Flops).
    pub flops_per_step: f64,
    /// Rate of a large product on this device, FLOP/s: see [`matmul_flops`](crate::devices::matmul_flops).
    pub device_flops: f64,
    /// Model FLOPs utilisation: `flops_per_step / (seconds * device_flops)`, as a run shows it.
    pub mfu: f64,
    /// Memory of the steps.
    pub memory: BenchMemory,
    /// Loss of the last of them, nats per token: a number, where all is well.
    pub loss: f32,
}

/// Milliseconds over several turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Their median.
    pub median_ms: f64,
    /// The shortest.
    pub min_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// A part of a step, forward and back.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PartTime {
    /// Its name.
    pub name: &'static str,
    /// What it is, in words.
    pub what: &'static str,
    /// How it was measured.
    pub measured: Measured,
    /// Milliseconds of a step: a median or, of a rest, a difference of medians, which may be below 0.
    pub ms: f64,
    /// Where it was timed: its turns.
    pub spread: Option<Spread>,
    /// Share of the step, 1 being all of it.
    pub share: f64,
}

/// How a part was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// The operations of all blocks one after the other, with the step's shapes and weights, and nothing between them.
    Alone,
    /// In steps that wait for the device before the part and after it.
    InStep,
    /// What other figures leave.
    Difference,
}

/// Bytes at the peak of the steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BenchMemory {
    /// What the device's pool has reserved; `None` where tensors are in host memory.
    pub pool_bytes: Option<u64>,
    /// The process's largest resident set; `None` where the system does not say.
    pub resident_bytes: Option<u64>,
    /// As `resident_bytes`, before the model was made: program and libraries.
    pub resident_before_bytes: Option<u64>,
    /// What the planner predicts of the device's memory.
    pub planned_bytes: u64,
}

impl Spread {
    /// Of turns in seconds, one at least.
    pub(super) fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let (count, last) = (seconds.len(), seconds.len() - 1);
        let ms = |at: usize| 1e3 * seconds[at];
        Self { median_ms: (ms(last / 2) + ms(count / 2)) / 2.0, min_ms: ms(0), max_ms: ms(last) }
    }
}

/// A part that took so many seconds in each turn.
pub(super) fn timed(name: &'static str, what: &'static str, measured: Measured, seconds: Vec<f64>) -> PartTime {
    let spread = Spread::of(seconds);
    PartTime { name, what, measured, ms: spread.median_ms, spread: Some(spread), share: 0.0 }
}

/// What `parts` leave of `ms`.
pub(super) fn rest(name: &'static str, what: &'static str, ms: f64, parts: &[PartTime]) -> PartTime {
    let ms = ms - parts.iter().map(|part| part.ms).sum::<f64>();
    PartTime { name, what, measured: Measured::Difference, ms, spread: None, share: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_or_between_the_two() {
        let spread = |seconds: &[f64]| Spread::of(seconds.to_vec());
        assert_eq!(spread(&[0.003]), Spread { median_ms: 3.0, min_ms: 3.0, max_ms: 3.0 });
        assert_eq!(spread(&[0.004, 0.001, 0.002]), Spread { median_ms: 2.0, min_ms: 1.0, max_ms: 4.0 });
        assert_eq!(spread(&[0.008, 0.001, 0.002, 0.004]), Spread { median_ms: 3.0, min_ms: 1.0, max_ms: 8.0 });
    }
}
