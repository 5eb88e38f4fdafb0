//! Where a run starts: anew, or from a checkpoint in a folder.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{RunFolder, foreign::refuse_foreign};
use crate::{
    TrainConfig, TrainError,
    checkpoint::{self, Checkpoint, Folder, Store},
    session::{Identity, Origin, fitting_model, same_run},
};

/// Where a run starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Anew, in a folder without a run.
    #[default]
    New,
    /// From the newest whole checkpoint in the run's folder; anew, if there is none.
    Auto,
    /// From this checkpoint, or the newest whole one in this run's folder, and on in that folder.
    Resume(PathBuf),
    /// A new run, in a folder without one, whose first weights are those of this checkpoint, or of the newest in this
    /// run's folder.
    Fork(PathBuf),
}

/// A run's folder that no other process trains in, and where the run begins.
pub(super) struct Opened {
    pub folder: RunFolder,
    pub origin: Origin,
    /// What the user should hear.
    pub notes: Vec<String>,
    /// Keeps other processes out for as long as it is open.
    pub claim: File,
}

impl Start {
    /// Claims the folder that the run goes to, and opens what it begins with, in that order: a process that trains there
    /// may write a newer checkpoint until it has let go. A new run that finds another there goes to the next folder if it
    /// `takes_next`.
    pub(super) fn open(
        self,
        folder: PathBuf,
        config: &TrainConfig,
        identity: &Identity,
        changes_batch: bool,
        takes_next: bool,
    ) -> Result<Opened, TrainError> {
        let mut notes = Vec::new();
        let (folder, claim, checkpoint) = match self {
            Self::New => {
                let (folder, claim) = fresh(folder, takes_next)?;
                return Ok(Opened { folder, origin: Origin::Seed, notes, claim });
            }
            Self::Fork(path) => {
                let checkpoint = find(&path, &mut notes)?;
                notes.extend(fitting_model(&checkpoint, config, identity)?);
                notes.push(format!("the first weights are those of {}", checkpoint.location()));
                let (folder, claim) = fresh(folder, takes_next)?;
                return Ok(Opened { folder, origin: Origin::Weights(checkpoint), notes, claim });
            }
            Self::Auto => {
                let folder = RunFolder::renew(folder)?;
                let claim = claimed(&folder)?;
                match newest(&folder.store(), &mut notes)? {
                    None => return Ok(Opened { folder, origin: Origin::Seed, notes, claim }),
                    Some(checkpoint) => (folder, claim, checkpoint),
                }
            }
            Self::Resume(path) => {
                let is_checkpoint = is_checkpoint(&path);
                let run = if is_checkpoint { path.parent().unwrap_or(Path::new(".")) } else { &path };
                let folder = RunFolder::existing(run.to_path_buf());
                // What is not there is said in the words of what was looked for.
                let checkpoint = find(&path, &mut notes)?;
                let claim = claimed(&folder)?;
                let checkpoint = match is_checkpoint {
                    true => is_newest(checkpoint, &folder)?,
                    false => newest(&folder.store(), &mut Vec::new())?.unwrap_or(checkpoint),
                };
                (folder, claim, checkpoint)
            }
        };
        notes.extend(same_run(&checkpoint, config, identity, changes_batch)?);
        notes.push(format!("going on from step {} of {}", checkpoint.step(), folder.path().display()));
        Ok(Opened { folder, origin: Origin::open(checkpoint, config)?, notes, claim })
    }
}

/// A folder without a run, or the next that has none, and keeps other processes out.
fn fresh(mut path: PathBuf, takes_next: bool) -> Result<(RunFolder, File), TrainError> {
    loop {
        let made = RunFolder::create(path.clone()).and_then(|folder| {
            let claim = claimed(&folder)?;
            // Another process may have begun and ended one since the folder was made.
            if folder.holds_a_run() { Err(TrainError::RunExists { path: path.clone() }) } else { Ok((folder, claim)) }
        });
        match made {
            Err(TrainError::RunExists { .. } | TrainError::RunBusy { .. }) if takes_next => {
                path = RunFolder::after(&path)
            }
            made => return made,
        }
    }
}

/// Keeps other processes out, and tidies up after one that was killed.
fn claimed(folder: &RunFolder) -> Result<File, TrainError> {
    let claim = folder.claim()?;
    checkpoint::clean(&folder.store())?;
    Ok(claim)
}

/// Whether `path` means a checkpoint, not the folder of a run.
fn is_checkpoint(path: &Path) -> bool {
    path.join("manifest.json").exists() || !path.join("config.toml").exists()
}

/// The checkpoint that `path` means: itself, or the newest whole one in a run's folder. Broken ones that are passed over
/// are told in `notes`.
fn find(path: &Path, notes: &mut Vec<String>) -> Result<Checkpoint, TrainError> {
    refuse_foreign(path)?;
    if is_checkpoint(path) {
        let (store, name) = Folder::of(path).map_err(|cause| TrainError::Io {
            action: "opening the checkpoint",
            path: path.into(),
            cause,
        })?;
        let store: Arc<dyn Store> = Arc::new(store);
        return Ok(Checkpoint::open(&store, &name)?);
    }
    let store: Arc<dyn Store> = Arc::new(Folder::new(path));
    newest(&store, notes)?.ok_or_else(|| TrainError::Resume {
        path: path.display().to_string(),
        reason: "it holds no checkpoint; start the run anew without --resume".into(),
    })
}

/// Refuses a checkpoint that is not the newest: going on from it would leave later ones that are of another future.
fn is_newest(checkpoint: Checkpoint, run: &RunFolder) -> Result<Checkpoint, TrainError> {
    match checkpoint::list(&run.store())?.first() {
        Some((step, newer)) if *step > checkpoint.step() => Err(TrainError::Resume {
            path: checkpoint.location(),
            reason: format!(
                "the run went on to step {step}; resume that, or remove {}, or start a new run from this one with --fork",
                run.path().join(newer).display()
            ),
        }),
        _ => Ok(checkpoint),
    }
}

/// The newest whole checkpoint of a run.
///
/// # Errors
/// There are some, and none is whole.
pub(super) fn newest(store: &Arc<dyn Store>, notes: &mut Vec<String>) -> Result<Option<Checkpoint>, TrainError> {
    let mut broken = 0;
    let found = checkpoint::newest(store, |_, error| {
        broken += 1;
        notes.push(format!("passed over: {error}"));
    })?;
    if found.is_none() && broken > 0 {
        let reason = format!("none of its {broken} checkpoints is whole; remove them to start the run anew");
        return Err(TrainError::Resume { path: store.location(""), reason });
    }
    Ok(found)
}
