//! Moments of ranks that train alone (DiLoCo): each has its own, which rank 0 gathers for a checkpoint and gives back.

use super::{
    CollectiveError, Exchange,
    broadcast::broadcast_values,
    host::{self, ParameterState},
};
use crate::step::Trainer;

/// What a checkpoint has of ranks that train alone, beside rank 0's parameters and moments.
#[derive(Clone, Debug, Default)]
pub struct OuterState {
    /// Momentum of the averages, parameter by parameter, end to end; `None` before the first.
    pub momentum: Option<Vec<f32>>,
    /// First and second moments of rank 1 and those after it, each parameter by parameter, end to end.
    pub moments: Vec<[Vec<f32>; 2]>,
}

/// The moments of rank 1 and those after it, for rank 0; the others get none.
pub(super) fn gather(trainer: &Trainer, line: &mut Exchange) -> Result<Vec<[Vec<f32>; 2]>, CollectiveError> {
    let mut all = Vec::new();
    for rank in 1..line.world() {
        let own = if line.rank() == rank { host::flat_moments(trainer, rank)? } else { Default::default() };
        let [first, second] = own;
        let both = [broadcast_values(line, first, rank)?, broadcast_values(line, second, rank)?];
        if line.rank() == 0 {
            all.push(both);
        }
    }
    Ok(all)
}

/// Gives each rank the moments that rank 0 has of it, if it has those of as many ranks as there are.
pub(super) fn scatter(
    trainer: &mut Trainer,
    line: &mut Exchange,
    mut all: Vec<[Vec<f32>; 2]>,
) -> Result<(), CollectiveError> {
    let others = line.world() - 1;
    let complete = line.broadcast(vec![u8::from(others > 0 && all.len() == others)], 0)?;
    if complete != [1] {
        return Ok(());
    }
    for rank in 1..line.world() {
        let [first, second] = if line.rank() == 0 { std::mem::take(&mut all[rank - 1]) } else { Default::default() };
        let both = [broadcast_values(line, first, 0)?, broadcast_values(line, second, 0)?];
        if line.rank() == rank {
            set(trainer, &both, rank)?;
        }
    }
    Ok(())
}

fn set(trainer: &mut Trainer, both: &[Vec<f32>; 2], rank: usize) -> Result<(), CollectiveError> {
    let device = trainer.walk().device.clone();
    let mut start = 0;
    host::load(trainer, &device, |_, count| {
        let own = start..start + count;
        start = own.end;
        let mismatch = |found| CollectiveError::Mismatch { rank: 0, found, other: rank, expected: own.end };
        let part = |values: &Vec<f32>| Ok(values.get(own.clone()).ok_or(mismatch(values.len()))?.to_vec());
        Ok(Some(ParameterState { values: None, moments: Some([part(&both[0])?, part(&both[1])?]) }))
    })
}
