//! Rows of tokens to their negative log-likelihoods.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use hearth_data::{Batch, IGNORED};
use hearth_model::Transformer;

use crate::{TrainError, walk::Walk};

/// Rows are filled up to a multiple of so many positions, so that there are few shapes.
const ROUND: usize = 32;

/// A row of tokens, of which those from `first` on are scored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScoredRow {
    /// One more than the model's context at most.
    pub ids: Vec<u32>,
    /// At least 1: the first token of a row has none before it.
    pub first: usize,
}

/// Scores rows of tokens by a model, many side by side: by the walk's evaluation, on the model's device.
pub struct Scorer<'a> {
    model: &'a Transformer,
    /// By the windows' length.
    walks: BTreeMap<usize, Walk>,
}

/// Rows that the device is at work on.
pub(super) struct Pending(Tensor<1>);

impl<'a> Scorer<'a> {
    /// For a model that may be with or without autodiff.
    pub fn new(model: &'a Transformer) -> Self {
        Self { model, walks: BTreeMap::new() }
    }

    /// The summed negative log-likelihood of each row's scored tokens, nats.
    ///
    /// # Errors
    /// The device fails, or the model gives no numbers.
    ///
    /// # Panics
    /// If a row is longer than the context by more than one token, or has ids beyond the vocabulary.
    pub fn score(&mut self, rows: &[ScoredRow]) -> Result<Vec<f64>, TrainError> {
        self.begin(rows).wait()
    }

    /// As [`Scorer::score`], without waiting.
    pub(super) fn begin(&mut self, rows: &[ScoredRow]) -> Pending {
        let model = self.model;
        let longest = rows.iter().map(|row| row.ids.len().saturating_sub(1)).max().unwrap_or(0).max(1);
        let time = longest.next_multiple_of(ROUND).min(model.config().context_length.max(longest));
        let walk = self.walks.entry(time).or_insert_with(|| Walk::new(model.config(), time, &model.device()));
        Pending(walk.evaluate_rows(model, &batch(rows, time)))
    }
}

impl Pending {
    /// # Errors
    /// As [`Scorer::score`].
    pub(super) fn wait(self) -> Result<Vec<f64>, TrainError> {
        let failed = |reason: String| TrainError::Config { source_name: "the evaluation".into(), reason };
        let data = self.0.try_into_data().map_err(|error| failed(format!("the device failed: {error:?}")))?;
        let losses: Vec<f64> = data.iter::<f32>().map(f64::from).collect();
        match losses.iter().all(|loss| loss.is_finite()) {
            true => Ok(losses),
            false => Err(failed(
                "the model gives no numbers: its weights are those of a run that diverged, or the file is broken; take an \
                 earlier checkpoint, or `hearth certify` the device"
                    .into(),
            )),
        }
    }
}

/// The rows as inputs and targets, filled up to `time` positions by what does not count.
fn batch(rows: &[ScoredRow], time: usize) -> Batch {
    let mut inputs = vec![0; rows.len() * time];
    let mut targets = vec![IGNORED; rows.len() * time];
    let grid = inputs.chunks_exact_mut(time).zip(targets.chunks_exact_mut(time));
    for ((inputs, targets), ScoredRow { ids, first }) in grid.zip(rows) {
        for (at, pair) in ids.windows(2).enumerate() {
            inputs[at] = pair[0] as i32;
            if at + 1 >= *first {
                targets[at] = pair[1] as i32;
            }
        }
    }
    Batch { inputs, targets, rows: rows.len(), time, packing: None }
}

#[cfg(test)]
mod tests {
    use hearth_model::TransformerConfig;
    use hearth_wgsl::each_device;

    use super::*;

    each_device! {
        /// Of rows of any length side by side: what each gives alone, and what the logits say.
        fn rows_are_scored_as_if_alone(device) {
            let config = TransformerConfig { init_std: 0.4, ..TransformerConfig::llama(19, 40, 2, 16, 2) };
            let model = config.init(5, &device).unwrap();
            let row = |length: u32, first| ScoredRow { ids: (0..length).map(|at| at * at % 19).collect(), first };
            let rows = [row(41, 1), row(7, 5), row(2, 1), row(9, 9), row(33, 20)];
            let together = Scorer::new(&model).score(&rows).unwrap();
            for (row, found) in rows.iter().zip(together) {
                let alone = Scorer::new(&model).score(std::slice::from_ref(row)).unwrap()[0];
                let ids = Tensor::<1, burn::tensor::Int>::from_ints(&row.ids[..row.ids.len() - 1], &device);
                let logs = burn::tensor::activation::log_softmax(model.logits(ids.unsqueeze()), 2).into_data();
                let logs: Vec<f32> = logs.iter().collect();
                let of = |at: usize| f64::from(logs[(at - 1) * 19 + row.ids[at] as usize]);
                let expected: f64 = -(row.first..row.ids.len()).map(of).sum::<f64>();
                for found in [found, alone] {
                    assert!((found - expected).abs() <= 1e-4 * expected.max(1.0), "{found} is not {expected}");
                }
            }
        }
    }
}
