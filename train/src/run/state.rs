//! What a run is in the middle of, besides tensors: a few numbers.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::team::Team;
use crate::{TrainError, guard::Guard, plan::Cut};

/// A run between two steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// Steps until here, which is the number of the next one.
    pub step: u64,
    /// Global batches that were drawn until here; more than `step` where the run went back and on with other data.
    pub data: u64,
    /// Wall time until here.
    pub seconds: f64,
    /// What the guards remember.
    pub guard: Guard,
    /// Times that the run went back to a checkpoint.
    pub restores: u64,
    /// The best evaluation.
    pub best: Option<Best>,
    /// Evaluations since then.
    pub evaluations_since_best: u64,
    /// How steps are cut: other micro-batches would sum in another order.
    pub cut: Option<Cut>,
    /// Sequences of each global batch that each of several replicas or pipelines had.
    #[serde(default)]
    pub rows: Vec<usize>,
    /// Blocks that each stage of the model had, where it was in stages.
    #[serde(default)]
    pub blocks: Vec<usize>,
}

/// An evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Steps until it.
    pub step: u64,
    /// Mean loss over the validation batches, nats per token.
    pub loss: f32,
}

impl RunState {
    /// The rows that each rank had, where there are as many now; by their speeds otherwise.
    pub(super) fn rows_for(&self, team: &Team, global_rows: usize) -> Result<Vec<Range<usize>>, TrainError> {
        if self.rows.len() * team.stages() != team.ranks.len() {
            return team.rows_by_speed(global_rows);
        }
        let mut end = 0;
        let rows = self.rows.iter().flat_map(|rows| {
            end += rows;
            vec![end - rows..end; team.stages()]
        });
        Ok(rows.collect())
    }

    /// Takes note of an evaluation now; whether it is the best.
    pub fn evaluated(&mut self, loss: f64) -> bool {
        let loss = loss as f32;
        let better = loss.is_finite() && self.best.is_none_or(|best| loss < best.loss);
        if better {
            self.best = Some(Best { step: self.step, loss });
            self.evaluations_since_best = 0;
        } else {
            self.evaluations_since_best += 1;
        }
        better
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_evaluations_since_the_best() {
        let mut state = RunState::default();
        let found: Vec<_> = [3.0, 2.0, 2.0, f64::NAN, 1.5, 1.6]
            .into_iter()
            .map(|loss| {
                state.step += 10;
                (state.evaluated(loss), state.evaluations_since_best)
            })
            .collect();
        assert_eq!(found, [(true, 0), (true, 0), (false, 1), (false, 2), (true, 0), (false, 1)]);
        assert_eq!(state.best, Some(Best { step: 50, loss: 1.5 }));
    }
}
