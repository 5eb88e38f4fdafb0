//! The checkpoints of a run: which there are, and which stay.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{Checkpoint, CheckpointError, write::synchronise};

/// What the name of one that is being written ends with.
pub(super) const PART: &str = ".part";
/// Of one that is going.
pub(super) const OLD: &str = ".old";

const PREFIX: &str = "step-";

pub(super) fn name(step: u64) -> String {
    format!("{PREFIX}{step:08}")
}

/// Which checkpoints stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest; at least one.
    pub last: usize,
    /// Those of steps that are a multiple of it; 0 for none.
    pub every: u64,
    /// The one of this step.
    pub best: Option<u64>,
}

/// Every checkpoint in a run's folder with its step, the newest first, whole or not.
///
/// # Errors
/// The folder is there and cannot be read.
pub fn list(run: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let mut found: Vec<(u64, PathBuf)> = folders(run)?
        .into_iter()
        .filter_map(|path| {
            let text = path.file_name()?.to_str()?;
            let step = text.strip_prefix(PREFIX)?.parse().ok()?;
            (text == name(step)).then_some((step, path))
        })
        .collect();
    found.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    Ok(found)
}

/// The newest checkpoint that is whole; each newer one that is not is told to `passed_over`.
///
/// # Errors
/// The folder is there and cannot be read.
pub fn newest(
    run: &Path,
    mut passed_over: impl FnMut(&Path, &CheckpointError),
) -> Result<Option<Checkpoint>, CheckpointError> {
    for (step, path) in list(run)? {
        match Checkpoint::open(&path) {
            Ok(checkpoint) if checkpoint.step() == step => return Ok(Some(checkpoint)),
            Ok(other) => {
                let reason = format!("is of step {}, whatever its name says", other.step());
                passed_over(&path, &CheckpointError::broken(&path, reason));
            }
            Err(error) => passed_over(&path, &error),
        }
    }
    Ok(None)
}

/// Removes the checkpoints up to that of the step `written` that need not stay.
///
/// Later ones are not counted and not touched: a run that passed over broken ones and went on from an earlier one must
/// not lose its own for their sake.
///
/// # Errors
/// One cannot be removed.
pub fn retain(run: &Path, written: u64, retention: &Retention) -> Result<(), CheckpointError> {
    let own = list(run)?.into_iter().filter(|(step, _)| *step <= written);
    for (at, (step, path)) in own.enumerate() {
        let stays = at < retention.last.max(1)
            || (retention.every > 0 && step.is_multiple_of(retention.every))
            || retention.best == Some(step);
        if !stays {
            // Under another name first: half a checkpoint never has a good one.
            let old = run.join(name(step) + OLD);
            let gone = remove(&old).and_then(|()| fs::rename(&path, &old)).and_then(|()| remove(&old));
            gone.map_err(CheckpointError::io("removing an old checkpoint", &path))?;
        }
    }
    Ok(())
}

/// Removes what a killed process left half written or half removed, and gives one back its name that was to be replaced
/// when the process ended.
///
/// # Errors
/// Something cannot be removed.
pub fn clean(run: &Path) -> Result<(), CheckpointError> {
    for path in folders(run)? {
        let Some(text) = path.file_name().and_then(|name| name.to_str()).filter(|text| text.starts_with(PREFIX)) else {
            continue;
        };
        let io = || CheckpointError::io("cleaning up", &path);
        match text.strip_suffix(OLD).map(|name| run.join(name)) {
            Some(replaced) if !replaced.exists() && Checkpoint::open(&path).is_ok() => {
                fs::rename(&path, &replaced).map_err(io())?;
            }
            None if !text.ends_with(PART) => {}
            _ => fs::remove_dir_all(&path).map_err(io())?,
        }
    }
    synchronise(run).map_err(CheckpointError::io("cleaning up", run))
}

/// Removes a folder that may not be there.
pub(super) fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn folders(run: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    let entries = match fs::read_dir(run) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(CheckpointError::io("reading the run's folder", run))?,
    };
    Ok(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect())
}
