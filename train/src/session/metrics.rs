//! The figures of one step.

use serde::{Deserialize, Serialize};

use crate::step::RankFigures;

/// The figures of one step. `None` is "not measured at this step".
///
/// The three counts go on where they were when a run is resumed, so that the events of a run and of
/// its continuation make one curve.
///
/// JSON has no word for NaN or infinity: a figure that is not finite is written as `null` and read back as
/// `None`. A reader of the file can thus tell "measured, not finite" (`null`) from "not measured" (no such key).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Optimizer steps taken since the start of the run.
    pub step: u64,
    /// Tokens trained on since the start of the run.
    pub tokens: u64,
    /// Wall time since the start of the run, in seconds; finite.
    pub seconds: f64,
    /// Training loss, nats per token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_loss: Option<f64>,
    /// Validation loss, nats per token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_loss: Option<f64>,
    /// Global norm of the gradient before it is clipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Learning rate of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Of a model with experts: how much more than the mean the busiest one had to do, of all blocks; 0 where all had as much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_overload: Option<f64>,
    /// Whether the step's update was left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_out: bool,
    /// Training tokens a second since the event before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_second: Option<f64>,
    /// Model FLOPs utilisation, 0 to 1: the model's own FLOPs a second over the device's peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfu: Option<f64>,
    /// Bytes of memory that training takes on the device, or on the first of several: what its pool has reserved, or for the
    /// CPU the process's resident memory. Looked up now and then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// What each of several devices did, by rank.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceFigures>,
}

/// What one of several devices did in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeviceFigures {
    /// Training tokens a second of its own walk.
    pub tokens_per_second: f64,
    /// Seconds until its own gradients had all left the device.
    pub walk: f64,
    /// Seconds in transfers, most of them while it walked.
    pub transfer: f64,
    /// Seconds that it waited for others, in the step before.
    pub wait: f64,
}

impl DeviceFigures {
    /// The figures of a rank that walked `tokens` tokens of a step.
    pub fn new(tokens: usize, rank: &RankFigures) -> Self {
        let RankFigures { walk, transfer, wait } = *rank;
        // A clock that has not moved says nothing of a speed.
        let tokens_per_second = if walk > 0.0 { tokens as f64 / walk } else { 0.0 };
        Self { tokens_per_second, walk, transfer, wait }
    }
}

impl Metrics {
    /// Steps that are done once these figures are there: those of a step are of its end.
    pub fn steps_done(&self) -> u64 {
        self.step + u64::from(self.train_loss.is_some())
    }

    /// Whether they are of the evaluation that comes before the step of that number.
    pub fn is_evaluation_before(&self, step: u64) -> bool {
        self.step == step && self.train_loss.is_none() && self.val_loss.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_not_written() {
        let event = Metrics { step: 10, tokens: 5120, seconds: 1.5, train_loss: Some(2.25), ..Metrics::default() };
        let json = serde_json::to_string(&event).unwrap();
        assert_eq!(json, r#"{"step":10,"tokens":5120,"seconds":1.5,"train_loss":2.25}"#);
        assert_eq!(serde_json::from_str::<Metrics>(&json).unwrap(), event);
    }

    #[test]
    fn what_is_not_finite_is_null_and_read_as_none() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let event = Metrics { step: 3, train_loss: Some(bad), lr: Some(0.5), ..Metrics::default() };
            let json = serde_json::to_string(&event).unwrap();
            assert_eq!(json, r#"{"step":3,"tokens":0,"seconds":0.0,"train_loss":null,"lr":0.5}"#);
            assert_eq!(serde_json::from_str::<Metrics>(&json).unwrap(), Metrics { train_loss: None, ..event });
        }
    }
}
