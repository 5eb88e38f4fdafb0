//! What is done about an error that need not be the end.

use std::sync::Arc;

use super::{
    plan_note,
    resume::{Origin, newest},
    saver::{Common, Saver},
    steps::Loop,
};
use crate::{TrainError, config::OnLoss, devices::OpenDevice, plan::Choice};

/// What a run is tried with, and tried again.
pub(super) struct Attempts {
    pub device: OpenDevice,
    pub choice: Choice,
    /// Where the next attempt begins.
    pub origin: Origin,
    pub device_losses: u64,
    pub common: Arc<Common>,
}

impl Attempts {
    /// Prepares another attempt.
    ///
    /// # Errors
    /// The error itself, or what it comes to, if there is nothing more to try.
    pub fn recover(&mut self, error: TrainError, run: &mut Loop) -> Result<(), TrainError> {
        let guard = run.config.guard.clone();
        // Ranks that only wait for orders can go back with this one; others are started again, if they are threads.
        let waits = matches!(error, TrainError::GoBack { .. }) && run.config.parallel.local_steps == 0;
        let team = if waits { None } else { run.team.take() };
        if team.is_some() && !run.crew.may_restart {
            return Err(error);
        }
        match error {
            TrainError::Replica(reason) => {
                let failed = team.as_ref().map_or(&[][..], |team| team.failed());
                if run.config.parallel.on_loss == OnLoss::End || failed.is_empty() {
                    return Err(TrainError::Replica(reason));
                }
                run.go_on_without(failed, &self.device)?;
                self.choice.plan = run.plan.clone();
                self.go_back(run)?;
                run.report.note(&format!(
                    "{reason}; on from step {} with the {} devices that are left",
                    run.state.step,
                    run.rows.len()
                ));
            }
            TrainError::OutOfMemory { .. } => {
                let Some(plan) = self.choice.smaller().cloned() else { return Err(error) };
                self.choice.plan = plan;
                self.go_back(run)?;
                run.plan = self.choice.plan.clone();
                run.report.note(&format!("{error}; starting again with less: {}", plan_note(&self.choice)));
            }
            TrainError::GoBack { reason, data } => {
                let restores = run.state.restores + 1;
                if restores > guard.restores {
                    let report = format!("{reason}; the run has gone back {} times", guard.restores);
                    return Err(TrainError::Diverged { report });
                }
                self.go_back(run)?;
                if run.state.step == 0 {
                    let report = format!("{reason}; there is no checkpoint to go back to");
                    return Err(TrainError::Diverged { report });
                }
                (run.state.data, run.state.restores) = (data, restores);
                run.report.note(&format!(
                    "{reason}: back to step {}, and on with the data that comes next ({restores} of {} times)",
                    run.state.step, guard.restores
                ));
            }
            TrainError::DeviceLost(reason) => {
                if self.device_losses == guard.device_losses {
                    return Err(TrainError::DeviceLost(format!(
                        "{reason}; it was lost {} times before",
                        self.device_losses
                    )));
                }
                self.device_losses += 1;
                self.reopen(run)?;
                self.go_back(run)?;
                run.report.note(&format!(
                    "the device was lost ({reason}): opened again, on from step {} ({} of {} times)",
                    run.state.step, self.device_losses, guard.device_losses
                ));
            }
            error => return Err(error),
        }
        run.take_share();
        Ok(run.report.rewind(run.state.step)?)
    }

    /// To the newest whole checkpoint, or to where the run began.
    fn go_back(&mut self, run: &mut Loop) -> Result<(), TrainError> {
        run.finish_writing();
        let mut told = Vec::new();
        if let Some(checkpoint) = newest(&self.common.folder, &mut |text| told.push(text))? {
            self.origin = Origin::open(checkpoint, &run.config)?;
        }
        told.iter().for_each(|text| run.report.note(text));
        run.state = self.origin.state();
        Ok(())
    }

    /// A new logical device on the same adapter, with the kernels that the lost one ran.
    fn reopen(&mut self, run: &mut Loop) -> Result<(), TrainError> {
        let choices = run.saver.kernel_choices();
        run.finish_writing();
        run.saver.close();
        self.device = self.device.reopen()?;
        run.saver = Saver::new(self.common.clone(), &self.device, &run.crew.others, &choices);
        Ok(())
    }
}
