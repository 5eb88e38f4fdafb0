//! Rank 0's parameters and optimizer state for all: the others need no checkpoint, and devices that draw other numbers start alike.

use burn::module::Module;

use hearth_model::TransformerBlock;

use super::{
    CollectiveError, Exchange,
    host::{self, ParameterState},
};
use crate::{readback::Readback, step::Trainer};

/// Gives rank 0's parameters and optimizer state to all, and the momentum of its outer steps, which is returned.
pub(super) fn broadcast_state<B: TransformerBlock>(
    trainer: &mut Trainer<B>,
    line: &mut Exchange,
    momentum: Option<Vec<f32>>,
) -> Result<Option<Vec<f32>>, CollectiveError> {
    match line.rank() {
        0 => send(trainer, line)?,
        _ => receive(trainer, line)?,
    }
    broadcast_optional(line, momentum)
}

/// Rank 0's values, if it has any.
fn broadcast_optional(line: &mut Exchange, own: Option<Vec<f32>>) -> Result<Option<Vec<f32>>, CollectiveError> {
    let present = line.broadcast(vec![u8::from(own.is_some())], 0)?;
    match present.as_slice() {
        [1] => broadcast_values(line, own.unwrap_or_default(), 0).map(Some),
        _ => Ok(None),
    }
}

/// The values of rank `root`.
pub(super) fn broadcast_values(line: &mut Exchange, own: Vec<f32>, root: usize) -> Result<Vec<f32>, CollectiveError> {
    let own = if line.rank() == root { bytemuck::cast_slice(&own).to_vec() } else { Vec::new() };
    Ok(bytemuck::pod_collect_to_vec(&line.broadcast(own, root)?))
}

fn send<B: TransformerBlock>(trainer: &Trainer<B>, line: &mut Exchange) -> Result<(), CollectiveError> {
    let mut done = Ok(());
    trainer.model().visit(&mut host::CopyEach::new(Some(trainer.optimizer()), |_, copies| {
        if done.is_ok() {
            done = send_parameter(copies, line);
        }
    }));
    done
}

/// A parameter's copies: its values, and what is kept of it if there is anything.
fn send_parameter(copies: Vec<Readback>, line: &mut Exchange) -> Result<(), CollectiveError> {
    line.broadcast(vec![u8::from(copies.len() > 1)], 0)?;
    for copy in copies {
        let values = host::values(copy, 0)?;
        broadcast_values(line, values, 0)?;
    }
    Ok(())
}

fn receive<B: TransformerBlock>(trainer: &mut Trainer<B>, line: &mut Exchange) -> Result<(), CollectiveError> {
    host::load(trainer, |_, count, lengths| {
        let has_state = line.broadcast(Vec::new(), 0)? == [1];
        let mut next = |expected: usize| {
            let values = broadcast_values(line, Vec::new(), 0)?;
            let found = values.len();
            let mismatch = CollectiveError::Mismatch { rank: 0, expected, other: line.rank(), found };
            if found == expected { Ok(values) } else { Err(mismatch) }
        };
        let values = next(count)?;
        let lengths = if has_state { lengths } else { &[] };
        let state = lengths.iter().map(|length| next(*length)).collect::<Result<_, _>>()?;
        let state = has_state.then_some(state);
        Ok(Some(ParameterState { values: Some(values), state }))
    })
}
