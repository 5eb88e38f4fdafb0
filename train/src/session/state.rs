//! What a session is in the middle of, besides tensors: a few numbers.

use serde::{Deserialize, Serialize};

use super::assignment::{Assignment, SavedAssignment};
use crate::{TrainConfig, guard::Guard};

/// A session between two steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct RunState {
    /// Steps until here, which is the number of the next one.
    pub step: u64,
    /// Global batches that were drawn until here, counted in those of now; more than `step` where the run went back and on with
    /// other data, and others where it had other sequences a step.
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
    /// Whether the evaluation due before the next step was given up, for the session was to end; it is made up for.
    pub owes_evaluation: bool,
    /// Who had which rows and blocks when this was saved; empty in a session, where the engine knows.
    pub assignment: SavedAssignment,
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

/// The state as `state.json` has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    step: u64,
    data: u64,
    seconds: f64,
    guard: Guard,
    restores: u64,
    best: Option<Best>,
    evaluations_since_best: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    owes_evaluation: bool,
    cut: Option<crate::plan::Cut>,
    #[serde(default)]
    rows: Vec<usize>,
    #[serde(default)]
    blocks: Vec<usize>,
}

impl From<Saved> for RunState {
    fn from(saved: Saved) -> Self {
        let Saved { step, data, seconds, guard, restores, best, .. } = saved;
        let Saved { evaluations_since_best, owes_evaluation, cut, rows, blocks, .. } = saved;
        let assignment = SavedAssignment { cut, rows, blocks };
        Self { step, data, seconds, guard, restores, best, evaluations_since_best, owes_evaluation, assignment }
    }
}

impl From<RunState> for Saved {
    fn from(state: RunState) -> Self {
        let RunState { step, data, seconds, guard, restores, best, .. } = state;
        let RunState { evaluations_since_best, owes_evaluation, assignment, .. } = state;
        let SavedAssignment { cut, rows, blocks } = assignment;
        Self { step, data, seconds, guard, restores, best, evaluations_since_best, owes_evaluation, cut, rows, blocks }
    }
}

impl RunState {
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

    /// Checks what a file says: its numbers are not believed.
    ///
    /// # Errors
    /// The field, and why it cannot be.
    pub fn check(&self, config: &TrainConfig) -> Result<(), String> {
        const MOST: u64 = 1 << 40;
        if self.step > MOST || self.data > MOST {
            return Err(format!("step = {} and data = {} cannot be", self.step, self.data));
        }
        self.assignment.read()?.as_ref().map_or(Ok(()), |assignment: &Assignment| assignment.fits(config))
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

    /// As a checkpoint of 961d667 has it.
    #[test]
    fn an_earlier_state_is_read() {
        let json = r#"{"step":3,"data":4,"seconds":1.5,"guard":{"recent":[],"bad_in_a_row":0,"lowest_median":null},"restores":1,"best":null,"evaluations_since_best":0,"cut":null,"rows":[4,4],"blocks":[1,3]}"#;
        let state: RunState = serde_json::from_str(json).unwrap();
        assert_eq!(
            (state.step, &state.assignment.rows[..], &state.assignment.blocks[..]),
            (3, &[4, 4][..], &[1, 3][..])
        );
        let written: serde_json::Value = serde_json::to_value(&state).unwrap();
        let earlier: serde_json::Value = serde_json::from_str(json).unwrap();
        for field in ["step", "data", "cut", "rows", "blocks", "best"] {
            assert_eq!(written[field], earlier[field]);
        }
        assert_eq!(serde_json::from_value::<RunState>(written).unwrap(), state);
        assert!(serde_json::from_str::<RunState>(&json.replace("\"data\"", "\"date\"")).is_err());
    }
}
