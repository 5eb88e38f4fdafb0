//! Runs the rungs of a ladder, each in a folder of its own.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use super::{Point, rung::Rung};
use crate::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    report::FrontKind,
    run::{Run, RunFolder, RunOverview, RunStatus, Start, unlike},
};

/// What a rung's run came to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Measured {
    /// Its folder.
    pub path: PathBuf,
    /// Its size, tokens and validation loss at the end.
    pub point: Point,
    /// Training tokens a second: the median over the steps.
    pub tokens_per_second: Option<f64>,
}

/// Where and how rungs are run.
pub struct Runner<'a> {
    /// The folder of their folders.
    pub out: &'a Path,
    /// What trains them.
    pub device: &'a OpenDevice,
    /// Where each shows its progress.
    pub front: FrontKind,
    /// Ends the run at hand in order.
    pub stop: Arc<AtomicBool>,
}

impl Runner<'_> {
    /// What the run of `rung` came to, if it was finished before.
    ///
    /// # Errors
    /// Its folder holds a run of another configuration, or cannot be read.
    pub fn finished(&self, rung: &Rung) -> Result<Option<Measured>, TrainError> {
        let path = self.out.join(rung.name());
        if !path.join("config.toml").exists() {
            return Ok(None);
        }
        refuse_another(&path, &rung.config, &RunFolder::existing(path.clone()).config()?)?;
        let overview = RunOverview::read(&path)?;
        match overview.status {
            RunStatus::Finished => measured(rung, overview).map(Some),
            _ => Ok(None),
        }
    }

    /// Trains `rung` to its end, from its newest checkpoint if it has one; `None` where it was stopped before.
    ///
    /// # Errors
    /// Those of [`Run::go`].
    pub fn train(&self, rung: &Rung) -> Result<Option<Measured>, TrainError> {
        let path = self.out.join(rung.name());
        let run = Run::new(rung.config.clone(), self.device.clone(), path.clone());
        let summary = run.begin(Start::Auto).front(self.front).stop(self.stop.clone()).go()?;
        if summary.interrupted {
            return Ok(None);
        }
        measured(rung, RunOverview::read(&path)?).map(Some)
    }
}

/// # Errors
/// The run has no validation loss that is a number.
fn measured(rung: &Rung, overview: RunOverview) -> Result<Measured, TrainError> {
    let loss = overview.val_loss.filter(|loss| loss.is_finite()).ok_or_else(|| TrainError::Config {
        source_name: overview.path.display().to_string(),
        reason: "ended without a validation loss: remove this run, and start the ladder again".into(),
    })?;
    let point = Point { parameters: rung.member.parameters, tokens: rung.tokens as f64, loss };
    Ok(Measured { path: overview.path, point, tokens_per_second: overview.tokens_per_second })
}

/// # Errors
/// The run in the folder has another configuration.
fn refuse_another(path: &Path, wanted: &TrainConfig, there: &TrainConfig) -> Result<(), TrainError> {
    let differences = unlike(&[there, wanted]);
    let Some((field, values)) = differences.into_iter().next() else { return Ok(()) };
    let [there, wanted] = [0, 1].map(|at| values[at].clone().unwrap_or("nothing".into()));
    let reason = format!(
        "the run there has {field} = {there}, and this ladder's has {wanted}: give another --out, or set the field as it was"
    );
    Err(TrainError::Config { source_name: path.display().to_string(), reason })
}
