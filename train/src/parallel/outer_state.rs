//! Optimizer state of ranks that train alone (DiLoCo): each has its own, which rank 0 gathers for a checkpoint and gives back.

use hearth_model::TransformerBlock;

use super::{
    CollectiveError, Exchange,
    broadcast::broadcast_values,
    host::{self, ParameterState},
};
use crate::step::Trainer;

/// What a checkpoint has of ranks that train alone, beside rank 0's parameters and optimizer state.
#[derive(Clone, Debug, Default)]
pub struct OuterState {
    /// Momentum of the averages, parameter by parameter, end to end; `None` before the first.
    pub momentum: Option<Vec<f32>>,
    /// Optimizer state of rank 1 and those after it: parameter by parameter, its tensors in the order of its rule, end to end.
    pub ranks: Vec<Vec<f32>>,
}

/// The optimizer state of rank 1 and those after it, for rank 0; the others get none.
pub(super) fn gather<B: TransformerBlock>(
    trainer: &Trainer<B>,
    line: &mut Exchange,
) -> Result<Vec<Vec<f32>>, CollectiveError> {
    let mut all = Vec::new();
    for rank in 1..line.world() {
        let own = if line.rank() == rank { host::flat_state(trainer, rank)? } else { Default::default() };
        let values = broadcast_values(line, own, rank)?;
        if line.rank() == 0 {
            all.push(values);
        }
    }
    Ok(all)
}

/// Gives each rank the optimizer state that rank 0 has of it, if it has that of as many ranks as there are.
pub(super) fn scatter<B: TransformerBlock>(
    trainer: &mut Trainer<B>,
    line: &mut Exchange,
    mut all: Vec<Vec<f32>>,
) -> Result<(), CollectiveError> {
    let others = line.world() - 1;
    let complete = line.broadcast(vec![u8::from(others > 0 && all.len() == others)], 0)?;
    if complete != [1] {
        return Ok(());
    }
    for rank in 1..line.world() {
        let own = if line.rank() == 0 { std::mem::take(&mut all[rank - 1]) } else { Default::default() };
        let values = broadcast_values(line, own, 0)?;
        if line.rank() == rank {
            set(trainer, &values, rank)?;
        }
    }
    Ok(())
}

fn set<B: TransformerBlock>(trainer: &mut Trainer<B>, values: &[f32], rank: usize) -> Result<(), CollectiveError> {
    let mut rest = values;
    host::load(trainer, |_, _, lengths| {
        let mut next = |length: &usize| {
            let mismatch = CollectiveError::Mismatch {
                rank: 0,
                found: values.len(),
                other: rank,
                expected: values.len() + length,
            };
            let (own, others) = rest.split_at_checked(*length).ok_or(mismatch)?;
            rest = others;
            Ok(own.to_vec())
        };
        let state = lengths.iter().map(&mut next).collect::<Result<_, _>>()?;
        Ok(Some(ParameterState { values: None, state: Some(state) }))
    })
}
