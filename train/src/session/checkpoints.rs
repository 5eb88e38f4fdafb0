//! A session's part in checkpoints: the state is copied out, waits for the loss of its own weights, and is saved.

use super::{Event, RunState, Session, Unwritten, Written};
use crate::TrainError;

impl Session {
    /// Copies out the state before the next step; the figures of the step before may be on their way.
    pub(super) fn snapshot(&mut self) -> Result<(), TrainError> {
        if self.attempt.saved == Some(self.state.step) {
            return Ok(());
        }
        // One copy of the state in host memory is enough: where the disk is that slow, the step waits for it.
        self.finish_writing()?;
        let state =
            RunState { seconds: self.seconds(), assignment: self.engine.assignment().into(), ..self.state.clone() };
        let kernels = self.engine.kernels()?;
        self.attempt.unwritten = Some(Unwritten { state, snapshot: self.engine.snapshot()?, kernels });
        Ok(())
    }

    /// After `step`: gives the checkpoint what it lacks, and then to the saver.
    pub(super) async fn save_after(&mut self, step: u64, loss: f64) -> Result<(), TrainError> {
        let Some(mut checkpoint) = self.attempt.unwritten.take() else { return Ok(()) };
        if checkpoint.state.step == step + 1 {
            checkpoint.state.guard = self.state.guard.clone();
            self.attempt.unwritten = Some(checkpoint);
        } else if loss.is_finite() {
            // The copies came before this step's loss; the device is at work on the next step.
            self.save(checkpoint).await?;
        } else {
            self.tell(Event::Trouble(format!("no checkpoint of step {step}: its loss is {loss}")))?;
        }
        Ok(())
    }

    pub(super) async fn save(&mut self, mut checkpoint: Unwritten) -> Result<(), TrainError> {
        checkpoint.snapshot.arrive().await;
        self.attempt.saved = Some(checkpoint.state.step);
        self.saver.save(checkpoint);
        Ok(())
    }

    /// Writes the state before the next step, with every figure before it settled.
    pub(super) async fn save_now(&mut self) -> Result<(), TrainError> {
        self.snapshot()?;
        if let Some(checkpoint) = self.attempt.unwritten.take() {
            self.save(checkpoint).await?;
        }
        self.finish_writing()
    }

    /// Waits for the checkpoint that is being written.
    ///
    /// # Errors
    /// Those of the home that hears of it.
    pub fn finish_writing(&mut self) -> Result<(), TrainError> {
        while let Some(news) = self.saver.wait() {
            self.tell_of_checkpoint(news)?;
        }
        Ok(())
    }

    pub(super) fn hear_of_checkpoints(&mut self) -> Result<(), TrainError> {
        while let Some(news) = self.saver.news() {
            self.tell_of_checkpoint(news)?;
        }
        Ok(())
    }

    fn tell_of_checkpoint(&mut self, news: Result<Written, TrainError>) -> Result<(), TrainError> {
        let event = match news {
            Ok(Written { step, location }) => Event::Checkpoint { step, location },
            Err(error) => {
                self.attempt.saved = None;
                Event::Trouble(format!("warning: a checkpoint was not written, and the run goes on: {error}"))
            }
        };
        self.tell(event)
    }
}
