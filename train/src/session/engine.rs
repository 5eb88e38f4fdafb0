//! What takes the steps of a session: one device, or many.

use std::{ops::Range, pin::Pin};

use hearth_data::Batch;
use hearth_model::Transformer;
use serde::{Deserialize, Serialize};

use super::{Assignment, DeviceFigures, Origin};
use crate::{
    TrainError,
    checkpoint::{KernelChoices, Snapshot},
    guard::Ceiling,
    step::{RankFigures, StepOutcome},
};

/// What all ranks do next: one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepOrder {
    /// Number of the step, from 0.
    pub step: u64,
    /// Number of the global batch that it takes.
    pub data: u64,
    /// Figures above which its update is left out.
    pub ceiling: Ceiling,
    /// Factor of its loss, and with it of every gradient: 1 but for tests of the guards.
    pub loss_factor: f64,
}

/// A step that the devices have been given; its figures are still there.
pub struct Queued {
    /// Outcome of the whole global batch.
    pub outcome: StepOutcome,
    /// What each of several ranks measured; empty on one device.
    pub ranks: Vec<RankFigures>,
}

/// What a rank had of a run.
#[derive(Clone, Debug)]
pub struct DeviceSummary {
    /// Name of its device.
    pub name: String,
    /// Sequences that it has of each global batch, at the end.
    pub sequences: usize,
    /// What it did in a step, on average; `None` where nothing was measured.
    pub figures: Option<DeviceFigures>,
}

/// A result that may have to be waited for, as a device's in a browser.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, TrainError>> + 'a>>;

/// The model, the optimizer and the data of a session, wherever they are.
pub trait Engine {
    /// Makes the model and the optimizer as they are at `origin`, on all ranks: at the start, and whenever a session goes
    /// back. Returns what people should know of the ranks, a sentence each.
    ///
    /// # Errors
    /// A checkpoint that does not fit; a device or a rank that fails.
    fn begin(&mut self, origin: &Origin) -> Result<Vec<String>, TrainError>;

    /// Queues a step. Nothing waits, but for other ranks.
    ///
    /// # Errors
    /// Data that cannot be read; a rank that fails.
    fn step(&mut self, order: StepOrder) -> Result<Queued, TrainError>;

    /// Waits until every parameter is made, so that a device which refused memory for one says so.
    fn check(&mut self) -> Answer<'_, ()>;

    /// The batches that an evaluation measures.
    fn validation(&self) -> &[Batch];

    /// Summed loss over these of [`Engine::validation`], nats, without z-loss or dropout.
    fn evaluate(&mut self, batches: Range<usize>) -> Answer<'_, f64>;

    /// Queues copies of all parameters and moments: those of the whole model, whatever each rank has.
    ///
    /// # Errors
    /// A rank that fails.
    fn snapshot(&mut self) -> Result<Snapshot, TrainError>;

    /// The whole model without autodiff, on a device where drawing text token by token is fast.
    fn model(&mut self) -> Answer<'_, Transformer>;

    /// Who has which rows and blocks, and how the first rank's share is cut.
    fn assignment(&self) -> &Assignment;

    /// Rate of all ranks' devices together, FLOP/s; what MFU is a share of. 0 where it is not known.
    fn flops(&self) -> f64;

    /// Takes the next smaller plan where a device refused memory; the next [`Engine::begin`] uses it. Returns it in words,
    /// `None` where there is none.
    fn shrink(&mut self) -> Option<String>;

    /// Bytes of device memory that a step is predicted to take at its peak.
    fn planned_bytes(&self) -> u64;

    /// Numbers of the other devices that have failed, as they were given; empty on one device.
    fn failed(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Kernels that other processes have chosen.
    ///
    /// # Errors
    /// A rank that fails.
    fn kernels(&mut self) -> Result<KernelChoices, TrainError> {
        Ok(KernelChoices::default())
    }

    /// Whether all ranks have the same parameters before `step`; not so between the averages of DiLoCo.
    fn is_synchronized(&self, _step: u64) -> bool {
        true
    }

    /// Gives all ranks the first one's state, where theirs drift apart by rounding: a resumed run begins so.
    ///
    /// # Errors
    /// A rank that fails.
    fn synchronize(&mut self) -> Result<(), TrainError> {
        Ok(())
    }

    /// Gives ranks other rows where that makes steps much shorter, and says so in words.
    ///
    /// # Errors
    /// No plan that fits; a rank that fails.
    fn rebalance(&mut self) -> Result<Option<String>, TrainError> {
        Ok(None)
    }

    /// Forgets what was measured of the ranks: the first steps compile kernels, and say nothing of a device's speed.
    fn forget_figures(&mut self) {}

    /// What each of several ranks had; empty on one device.
    fn devices(&self) -> Vec<DeviceSummary> {
        Vec::new()
    }

    /// Ends all other ranks in order.
    ///
    /// # Errors
    /// A rank that fails.
    fn end(&mut self) -> Result<(), TrainError> {
        Ok(())
    }
}
