//! The stages of a pipeline that are processes: what goes from one to another is a message.

use std::{
    sync::mpsc::{Sender, channel},
    thread::{JoinHandle, spawn},
};

use burn::tensor::TensorData;
use mpi::{
    Threading,
    environment::threading_support,
    topology::SimpleCommunicator,
    traits::{Communicator, Destination, Source},
};

use super::{
    CollectiveError, Exchange, Mpi, Pipe, host,
    lines::{Carries, Line},
    mpi::MESSAGE,
};
use crate::readback::Readback;

/// Tag of the messages that set up the line among the same stages of all pipelines, with the stage's number added.
const REPLICAS: i32 = 16;

/// This process' place in a pipeline of `stages` processes: rank `p * stages + s` is stage `s` of pipeline `p`. All ranks call
/// it, after [`join_mpi`](super::join_mpi).
///
/// # Errors
/// An MPI library that does not take calls from several threads at once.
pub fn mpi_pipe(stages: usize, tied: bool) -> Result<Pipe, CollectiveError> {
    let has_threads = mpi::is_initialized() && threading_support() == Threading::Multiple;
    if !has_threads {
        let reason = "stages that are processes need an MPI library with MPI_THREAD_MULTIPLE, started by mpirun";
        return Err(CollectiveError::Start(reason.into()));
    }
    let world = SimpleCommunicator::world();
    let (rank, pipelines) = (world.rank() as usize, world.size() as usize / stages);
    let (number, first) = (rank % stages, rank / stages * stages);
    let pipe = Pipe::place(number, stages, tied, |stage, carries| {
        Box::new(MessageLine::new(stage, (first + stage) as i32, carries))
    });
    if pipelines == 1 {
        return Ok(pipe);
    }
    let same: Vec<i32> = (0..pipelines).map(|pipeline| (pipeline * stages + number) as i32).collect();
    let replicas = Exchange::start(move || Ok(Box::new(Mpi::among(&same, REPLICAS + number as i32)?)))?;
    Ok(pipe.with_replicas(replicas))
}

/// An end of a connection between two processes. Its thread waits for copies and sends them.
struct MessageLine {
    stage: usize,
    process: i32,
    tag: i32,
    copies: Sender<Readback>,
    thread: JoinHandle<()>,
}

impl MessageLine {
    /// The end of the connection to stage `stage`, which is this process of the world.
    fn new(stage: usize, process: i32, carries: Carries) -> Self {
        let tag = match carries {
            Carries::Stream => 1,
            Carries::Tied => 2,
        };
        let (copies, to_send) = channel::<Readback>();
        let thread = spawn(move || {
            let world = SimpleCommunicator::world();
            let own = world.rank() as usize;
            for copy in to_send {
                let message = encode(host::wait(copy, own));
                let other = world.process_at_rank(process);
                message.chunks(MESSAGE).for_each(|part| other.send_with_tag(part, tag));
            }
        });
        Self { stage, process, tag, copies, thread }
    }
}

impl Line for MessageLine {
    fn send(&self, copy: Readback) {
        let _ = self.copies.send(copy);
    }

    /// Waits without a deadline: `mpirun` ends all processes with the first that is gone.
    fn receive(&self) -> Result<TensorData, CollectiveError> {
        let world = SimpleCommunicator::world();
        let other = world.process_at_rank(self.process);
        let (mut message, _) = other.receive_vec_with_tag::<u8>(self.tag);
        while message.len() < length(&message) {
            message.extend(other.receive_vec_with_tag::<u8>(self.tag).0);
        }
        decode(&message, self.stage)
    }

    fn finish(self: Box<Self>) {
        drop(self.copies);
        let _ = self.thread.join();
    }
}

/// A message: its length in bytes, the number of dimensions, these, and the values in f32; all but the values are u64, all
/// little-endian. For a copy that failed the number of dimensions is [`FAILED`], and the reason follows.
fn encode(copy: Result<TensorData, CollectiveError>) -> Vec<u8> {
    let mut body = Vec::new();
    match copy {
        Ok(data) => {
            let shape = data.shape().to_vec();
            body.extend((shape.len() as u64).to_le_bytes());
            shape.iter().for_each(|size| body.extend((*size as u64).to_le_bytes()));
            body.extend(data.iter::<f32>().flat_map(f32::to_le_bytes));
        }
        Err(CollectiveError::Device { reason, .. }) => {
            body.extend([&FAILED.to_le_bytes()[..], reason.as_bytes()].concat())
        }
        Err(error) => body.extend([&FAILED.to_le_bytes()[..], error.to_string().as_bytes()].concat()),
    }
    let length = (body.len() + WORD) as u64;
    [&length.to_le_bytes()[..], &body].concat()
}

const WORD: usize = size_of::<u64>();
const FAILED: u64 = u64::MAX;

fn word(message: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(message.get(at * WORD..(at + 1) * WORD)?.try_into().ok()?))
}

/// Bytes of the whole message that begins so.
fn length(message: &[u8]) -> usize {
    word(message, 0).map_or(0, |length| length as usize)
}

/// What [`encode`] made on stage `stage`.
fn decode(message: &[u8], stage: usize) -> Result<TensorData, CollectiveError> {
    let broken = || CollectiveError::Device { rank: stage, reason: "a message of this stage is broken".into() };
    let dimensions = word(message, 1).ok_or_else(broken)?;
    if dimensions == FAILED {
        let reason = String::from_utf8_lossy(&message[2 * WORD..]).into_owned();
        return Err(CollectiveError::Device { rank: stage, reason });
    }
    let start = 2 + dimensions as usize;
    let shape: Option<Vec<usize>> = (2..start).map(|at| Some(word(message, at)? as usize)).collect();
    let shape = shape.ok_or_else(broken)?;
    let values: Vec<f32> = bytemuck::pod_collect_to_vec(&message[start * WORD..]);
    if values.len() != shape.iter().product::<usize>() {
        return Err(broken());
    }
    Ok(TensorData::new(values, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_over_whole() {
        let data = TensorData::new(vec![1.0f32, -2.5, f32::MIN_POSITIVE, 4.0, 0.0, 6.0], [2, 3]);
        let message = encode(Ok(data.clone()));
        assert_eq!(length(&message), message.len());
        let found = decode(&message, 1).unwrap();
        assert_eq!((found.shape().to_vec(), found.bytes().to_vec()), (vec![2, 3], data.bytes().to_vec()));
        let failed = CollectiveError::Device { rank: 7, reason: "poisoned".into() };
        let expected = CollectiveError::Device { rank: 1, reason: "poisoned".into() };
        assert_eq!(decode(&encode(Err(failed)), 1), Err(expected));
        assert!(decode(&message[..message.len() - 4], 1).is_err());
    }
}
