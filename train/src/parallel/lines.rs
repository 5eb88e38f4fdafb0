//! Connections between the stages of a pipeline, over which tensors go.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::Duration,
};

use burn::tensor::TensorData;

use super::{CollectiveError, host};
use crate::readback::Readback;

/// Longest wait for another stage, as [`Local`](super::Local)'s.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// What a connection carries: two stages may have one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Carries {
    /// Activations up and gradients down.
    Stream,
    /// Halves of a tied matrix's gradient down, and its new values up.
    Tied,
}

/// One end of a connection between two stages: what is sent arrives in the order in which it was sent.
pub(super) trait Line: Send {
    /// Sends what a copy brings, once it has left the device. Nothing waits; a stage that is gone is missed where its answer
    /// is.
    fn send(&self, copy: Readback);

    /// Waits for what the other end has sent.
    ///
    /// # Errors
    /// A stage that is gone, or whose copy failed, by its number in the pipeline.
    fn receive(&self) -> Result<TensorData, CollectiveError>;
}

/// An end of a connection between threads of one process.
pub(super) struct Channel {
    other: usize,
    stages: usize,
    send: Sender<Readback>,
    receive: Receiver<Readback>,
}

impl Channel {
    /// Both ends of a connection between two of so many stages.
    pub fn pair([one, other]: [usize; 2], stages: usize) -> [Self; 2] {
        let (to_other, from_one) = channel();
        let (to_one, from_other) = channel();
        [
            Self { other, stages, send: to_other, receive: from_other },
            Self { other: one, stages, send: to_one, receive: from_one },
        ]
    }
}

impl Line for Channel {
    fn send(&self, copy: Readback) {
        let _ = self.send.send(copy);
    }

    fn receive(&self) -> Result<TensorData, CollectiveError> {
        let copy = self.receive.recv_timeout(DEADLINE).map_err(|error| match error {
            RecvTimeoutError::Disconnected => CollectiveError::Lost { rank: self.other, world: self.stages },
            RecvTimeoutError::Timeout => CollectiveError::Late { rank: self.other, seconds: DEADLINE.as_secs() },
        })?;
        host::wait(copy, self.other)
    }
}
