//! The loop's part in checkpoints: their state is copied out, waits for the loss of its own weights, and is written.

use std::{ops::Range, path::PathBuf};

use super::{saver::Job, state::RunState, steps::Loop};
use crate::{
    TrainError,
    checkpoint::{Elsewhere, Snapshot},
    devices::KernelChoices,
    step::Trainer,
};

impl Loop {
    /// Copies out the state before the next step; the figures of the step before may be on their way.
    pub(super) fn take(&mut self, trainer: &Trainer) -> Result<(), TrainError> {
        if self.saved == Some(self.state.step) {
            return Ok(());
        }
        // One copy of the state in host memory is enough: where the disk is that slow, the step waits for it.
        self.finish_writing();
        let state = RunState {
            seconds: self.state.seconds + self.start.elapsed().as_secs_f64(),
            cut: self.blocks.is_empty().then(|| self.plan.cut.clone()),
            rows: self.rows_of_each(),
            blocks: self.blocks.iter().map(Range::len).collect(),
            ..self.state.clone()
        };
        let (mut elsewhere, mut kernels) = (Elsewhere::default(), KernelChoices::default());
        if let Some(team) = &mut self.team {
            kernels = team.kernels()?;
            elsewhere.moments = team.moments(trainer)?;
            elsewhere.momentum = team.momentum().map(<[f32]>::to_vec);
        }
        let whole = self.whole(trainer)?;
        let snapshot = Snapshot::take(whole.as_ref().unwrap_or(trainer), elsewhere);
        self.taken = Some(Job { state, snapshot, kernels });
        Ok(())
    }

    /// After `step`: what the checkpoint that was taken lacks, and then its way to the disk.
    pub(super) fn hand_over(&mut self, step: u64, loss: f64) {
        let Some(mut job) = self.taken.take() else { return };
        if job.state.step == step + 1 {
            job.state.guard = self.state.guard.clone();
            self.taken = Some(job);
        } else if loss.is_finite() {
            // The copies came before this step's loss; the device is at work on the next step.
            job.snapshot.settle();
            self.saved = Some(step);
            self.saver.save(job);
        } else {
            self.report.note(&format!("no checkpoint of step {step}: its loss is {loss}"));
        }
    }

    /// Waits for the checkpoint that is being written.
    pub(super) fn finish_writing(&mut self) {
        while let Some(news) = self.saver.wait() {
            self.tell_of_checkpoint(news);
        }
    }

    pub(super) fn hear_of_checkpoints(&mut self) {
        while let Some(news) = self.saver.news() {
            self.tell_of_checkpoint(news);
        }
    }

    fn tell_of_checkpoint(&mut self, news: Result<PathBuf, TrainError>) {
        match news {
            Ok(path) => log::debug!("checkpoint {}", path.display()),
            Err(error) => {
                self.saved = None;
                self.report.note(&format!("warning: a checkpoint was not written, and the run goes on: {error}"));
            }
        }
    }
}
