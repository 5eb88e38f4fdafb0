//! A trainer's tensors on their way out of the device, and in again.

mod averages;
mod capture;
mod layout;
mod pending;
mod restore;

pub use averages::with_averages;
pub use capture::Elsewhere;
pub use restore::{outer_momentum, restore, restore_weights, state_of_ranks};

use self::{
    capture::{Captured, capture},
    layout::{MODEL, OPTIMIZER},
};
use hearth_model::TransformerBlock;

use super::{tensors::TensorSpec, write::NewCheckpoint};
use crate::{TrainError, step::Trainer};

/// Copies of all parameters and of what the optimizer keeps, on their way to host memory.
pub struct Snapshot(Captured);

impl Snapshot {
    /// Queues the copies behind what the device has been given, and before what comes next; nothing waits.
    ///
    /// Until they are written they take as much host memory as the tensors do: 12 bytes a parameter with AdamW.
    pub fn take<B: TransformerBlock>(trainer: &Trainer<B>, elsewhere: Elsewhere) -> Self {
        Self(capture(trainer, elsewhere))
    }

    /// Waits for the copies and moves them, one by one, into memory of their own. The thread that took them must do it:
    /// what the device mapped for them may not be given back while that thread submits other work.
    ///
    /// This is what a native thread uses. In a browser nothing can wait, and it does nothing: see [`Snapshot::arrive`].
    pub fn settle(&mut self) {
        self.0.copies().for_each(|copy| copy.settle());
    }

    /// As [`Snapshot::settle`] for who is asynchronous: it lets others go on until the copies are there, in a browser, too.
    pub async fn arrive(&mut self) {
        for copy in self.0.copies() {
            copy.arrive().await;
        }
    }

    /// Writes both files, and lets go of each tensor when it is written; after [`Snapshot::settle`] or
    /// [`Snapshot::arrive`].
    ///
    /// # Errors
    /// A file that cannot be written, a device that was lost before the copies arrived.
    ///
    /// # Panics
    /// In a browser, if the copies have not arrived.
    pub fn write(self, new: &mut NewCheckpoint) -> Result<(), TrainError> {
        let Captured { parameters, state } = self.0;
        for (name, tensors) in [(MODEL, parameters), (OPTIMIZER, state)] {
            let specs: Vec<TensorSpec> = tensors.iter().map(|tensor| tensor.spec.clone()).collect();
            let mut file = new.tensors(name, &specs)?;
            for part in tensors.into_iter().flat_map(|tensor| tensor.parts) {
                file.write(part.data()?.bytes())?;
            }
            file.finish()?;
        }
        Ok(())
    }
}
