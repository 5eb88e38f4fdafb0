//! Which checkpoints a store has.

use std::{cmp::Reverse, sync::Arc};

use super::{error::CheckpointError, names::step_of, read::Checkpoint, store::Store};

/// Step and name of every checkpoint in a store, the newest first, whole or not.
///
/// # Errors
/// The store is there and cannot be read.
pub fn list(store: &Arc<dyn Store>) -> Result<Vec<(u64, String)>, CheckpointError> {
    let names = store.list().map_err(CheckpointError::io("reading the run's folder", &**store, ""))?;
    let mut found: Vec<_> = names.into_iter().filter_map(|name| Some((step_of(&name)?, name))).collect();
    found.sort_by_key(|(step, _)| Reverse(*step));
    Ok(found)
}

/// The newest checkpoint that is whole; the name of each newer one that is not is told to `passed_over`, and why.
///
/// A process that is killed while it replaces a checkpoint leaves it under a name that is not looked at:
/// [`clean`](super::clean) gives it back, and comes first where no other process writes into the store.
///
/// # Errors
/// The store is there and cannot be read.
pub fn newest(
    store: &Arc<dyn Store>,
    mut passed_over: impl FnMut(&str, &CheckpointError),
) -> Result<Option<Checkpoint>, CheckpointError> {
    for (step, name) in list(store)? {
        match Checkpoint::open(store, &name) {
            Ok(checkpoint) if checkpoint.step() == step => return Ok(Some(checkpoint)),
            Ok(other) => {
                let reason = format!("is of step {}, whatever its name says", other.step());
                passed_over(&name, &CheckpointError::broken(store.location(&name), reason));
            }
            Err(error) => passed_over(&name, &error),
        }
    }
    Ok(None)
}
