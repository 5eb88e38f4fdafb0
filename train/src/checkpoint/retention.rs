//! Which checkpoints stay.

use std::sync::Arc;

use super::{
    error::CheckpointError,
    list::list,
    names::{OLD, PART, PREFIX},
    read::Checkpoint,
    store::Store,
};

/// Which checkpoints stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// How many of the newest stay; at least one.
    pub last: usize,
    /// Those of steps that are a multiple of it stay; 0 for none.
    pub every: u64,
    /// The one of this step stays.
    pub best: Option<u64>,
}

/// Removes the checkpoints up to that of the step `written` that need not stay.
///
/// Later ones are not counted and not touched: a run that passed over broken ones and went on from an earlier one must
/// not lose its own for their sake.
///
/// # Errors
/// One cannot be removed.
pub fn retain(store: &Arc<dyn Store>, written: u64, retention: &Retention) -> Result<(), CheckpointError> {
    let own = list(store)?.into_iter().filter(|(step, _)| *step <= written);
    for (at, (step, name)) in own.enumerate() {
        let stays = at < retention.last.max(1)
            || (retention.every > 0 && step.is_multiple_of(retention.every))
            || retention.best == Some(step);
        if !stays {
            // Under another name first: half a checkpoint never has a good one.
            let old = name.clone() + OLD;
            let gone = store.remove(&old).and_then(|()| store.rename(&name, &old)).and_then(|()| store.remove(&old));
            gone.map_err(CheckpointError::io("removing an old checkpoint", &**store, &name))?;
        }
    }
    Ok(())
}

/// Removes what a killed process left half written or half removed, and gives one back its name that was to be replaced
/// when the process ended. No other process may be writing into the store.
///
/// # Errors
/// Something cannot be removed.
pub fn clean(store: &Arc<dyn Store>) -> Result<(), CheckpointError> {
    let cleaning = |name| CheckpointError::io("cleaning up", &**store, name);
    let names = store.list().map_err(cleaning(""))?;
    for name in names.iter().filter(|name| name.starts_with(PREFIX)) {
        match name.strip_suffix(OLD) {
            Some(replaced) if !names.iter().any(|name| name == replaced) && Checkpoint::open(store, name).is_ok() => {
                store.rename(name, replaced).map_err(cleaning(name))?;
            }
            None if !name.ends_with(PART) => {}
            _ => store.remove(name).map_err(cleaning(name))?,
        }
    }
    if names.is_empty() {
        // The store may not be there.
        return Ok(());
    }
    store.sync("").map_err(cleaning(""))
}
