//! The steps that later steps are judged by.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{ceiling::Ceiling, config::GuardConfig};

/// A step's loss and gradient norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Number of the step, from 0.
    pub step: u64,
    /// Mean loss, nats.
    pub loss: f32,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f32,
}

impl Figures {
    pub(super) fn are_finite(&self) -> bool {
        self.loss.is_finite() && self.grad_norm.is_finite()
    }
}

/// The host knows a step's figures at the latest when it queues the second step after it.
const KNOWN_AFTER: u64 = 2;

/// Outliers in a row that the window leaves out. From the next on they enter, or a lasting change of the loss would end
/// all updates (llm.c, `llmc/outlier_detector.h`).
const OUTLIERS_IN_A_ROW: u64 = 2;

/// The newest steps with finite figures, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Window(VecDeque<Observation>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Observation {
    step: u64,
    loss: f32,
    grad_norm: f32,
    /// Whether the step judges no other: its update was left out, and so were few before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_outlier: bool,
}

impl Window {
    /// The loss of the newest step.
    pub fn last_loss(&self) -> Option<f32> {
        self.0.back().map(|it| it.loss)
    }

    /// Adds a step with finite figures; `left_out_in_a_row` counts it, if its update was left out, and those before it.
    pub fn push(&mut self, config: &GuardConfig, figures: Figures, left_out_in_a_row: u64) {
        let Figures { step, loss, grad_norm } = figures;
        let is_outlier = (1..=OUTLIERS_IN_A_ROW).contains(&left_out_in_a_row);
        self.0.push_back(Observation { step, loss, grad_norm, is_outlier });
        let mut judging = self.0.iter().filter(|it| !it.is_outlier).count();
        while judging > config.window + KNOWN_AFTER as usize {
            let oldest = self.0.pop_front();
            judging -= usize::from(oldest.is_some_and(|it| !it.is_outlier));
        }
    }

    /// What `step` is judged by: figures that are known by then however far the host has read.
    pub fn ceiling(&self, config: &GuardConfig, step: u64) -> Ceiling {
        let known = self.0.iter().rev().filter(|it| !it.is_outlier && it.step + KNOWN_AFTER <= step);
        let window: Vec<&Observation> = known.take(config.window).collect();
        if window.len() < config.window {
            return Ceiling::FINITE;
        }
        let limit = |z: f64, finite: f32, of: fn(&Observation) -> f32| {
            if z == 0.0 {
                return finite;
            }
            let values = window.iter().rev().map(|it| f64::from(of(it)));
            let mean = values.clone().sum::<f64>() / window.len() as f64;
            let variance = values.map(|it| (it - mean).powi(2)).sum::<f64>() / window.len() as f64;
            let deviation = variance.sqrt();
            // Values that differ by no more than they are rounded by: any other lies infinitely far out.
            if deviation <= mean.abs() * f64::from(f32::EPSILON) {
                return finite;
            }
            (mean + z * deviation) as f32
        };
        Ceiling {
            loss: limit(config.loss_z, Ceiling::FINITE.loss, |it| it.loss),
            grad_norm: limit(config.norm_z, Ceiling::FINITE.grad_norm, |it| it.grad_norm),
        }
    }

    /// The upper median of the newest `count` losses, outliers among them; `None` where there are fewer.
    pub fn median_loss(&self, count: usize) -> Option<f32> {
        // Not the mean, which one spike would lift.
        let mut newest: Vec<f32> = self.0.iter().rev().take(count).map(|it| it.loss).collect();
        if newest.len() < count || newest.is_empty() {
            return None;
        }
        let (_, median, _) = newest.select_nth_unstable_by(count / 2, f32::total_cmp);
        Some(*median)
    }
}
