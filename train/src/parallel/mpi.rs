//! Ranks that are processes, on one machine or many, by the message passing interface.

use std::sync::mpsc::channel;

use mpi::{
    Count, Threading,
    datatype::{Partition, PartitionMut},
    environment::Universe,
    topology::SimpleCommunicator,
    traits::{Communicator, CommunicatorCollectives, Group, Root},
};

use super::{Collective, CollectiveError, Exchange};
use crate::optim::OptimizerShard;

/// Bytes of one message: MPI counts to 2^31.
pub(super) const MESSAGE: usize = 1 << 30;

/// A rank that `mpirun` started. All its calls are made by the thread that made it.
pub struct Mpi {
    ranks: SimpleCommunicator,
    local_rank: usize,
    /// Ends MPI when it is dropped; one of the process has it.
    _universe: Option<Universe>,
}

/// The line of this process to the ranks that `mpirun` started with it, and its number among those of its machine.
///
/// # Errors
/// Those of [`Mpi::join`].
pub fn join_mpi() -> Result<(Exchange, usize), CollectiveError> {
    let (tell, local_rank) = channel();
    let make = move || {
        let mpi = Mpi::join()?;
        let _ = tell.send(mpi.local_rank);
        Ok(Box::new(mpi) as Box<dyn Collective>)
    };
    let exchange = Exchange::start(make)?;
    Ok((exchange, local_rank.recv().expect("sent before the exchange was made")))
}

impl Mpi {
    /// Joins the ranks that were started together.
    ///
    /// # Errors
    /// A second call in one process, or an MPI library that takes calls from the main thread alone.
    pub fn join() -> Result<Self, CollectiveError> {
        let (universe, threading) = mpi::initialize_with_threading(Threading::Multiple)
            .ok_or_else(|| CollectiveError::Start("MPI was started already: a process is one rank".into()))?;
        if threading < Threading::Serialized {
            let reason =
                "this MPI library takes calls from a program's main thread alone: use one with MPI_THREAD_SERIALIZED";
            return Err(CollectiveError::Start(reason.into()));
        }
        let world = universe.world();
        let local_rank = world.split_shared(world.rank()).rank() as usize;
        Ok(Self { ranks: world, local_rank, _universe: Some(universe) })
    }

    /// The ranks of these processes alone, each of which calls it with the same `tag`.
    pub(super) fn among(processes: &[i32], tag: i32) -> Result<Self, CollectiveError> {
        let world = SimpleCommunicator::world();
        let group = world.group().include(processes);
        let ranks = world.split_by_subgroup_with_tag(&group, tag);
        let ranks = ranks.ok_or_else(|| CollectiveError::Start("this process is none of the group's".into()))?;
        Ok(Self { ranks, local_rank: 0, _universe: None })
    }

    /// How many values each rank's part has, and where it begins.
    fn parts(&self, length: usize) -> Result<[Vec<Count>; 2], CollectiveError> {
        let too_long = || CollectiveError::Start(format!("{length} values are too many for one message of MPI"));
        if Count::try_from(length).is_err() {
            return Err(too_long());
        }
        let world = self.world();
        let parts: Vec<_> = (0..world).map(|rank| OptimizerShard { rank, world }.part(length)).collect();
        Ok([
            parts.iter().map(|part| part.len() as Count).collect(),
            parts.iter().map(|part| part.start as Count).collect(),
        ])
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.ranks.rank() as usize
    }

    fn world(&self) -> usize {
        self.ranks.size() as usize
    }

    /// Not MPI's own sum, whose order is the library's affair: each rank gets its part of all and adds them up in turn.
    fn reduce_scatter(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        let [counts, starts] = self.parts(values.len())?;
        let own = OptimizerShard { rank: self.rank(), world: self.world() }.part(values.len());
        let mut brought = vec![0f32; own.len() * self.world()];
        let each = vec![own.len() as Count; self.world()];
        let places: Vec<Count> = (0..self.world()).map(|rank| (rank * own.len()) as Count).collect();
        {
            let sent = Partition::new(&*values, counts, starts);
            let mut received = PartitionMut::new(&mut brought[..], each, places);
            self.ranks.all_to_all_varcount_into(&sent, &mut received);
        }
        if own.is_empty() {
            return Ok(());
        }
        let mut parts = brought.chunks_exact(own.len());
        let sums = &mut values[own.clone()];
        sums.copy_from_slice(parts.next().expect("at least one rank"));
        for others in parts {
            sums.iter_mut().zip(others).for_each(|(sum, value)| *sum += value);
        }
        Ok(())
    }

    fn all_gather(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        let [counts, starts] = self.parts(values.len())?;
        let own = values[OptimizerShard { rank: self.rank(), world: self.world() }.part(values.len())].to_vec();
        let mut received = PartitionMut::new(values, counts, starts);
        self.ranks.all_gather_varcount_into(&own[..], &mut received);
        Ok(())
    }

    fn broadcast(&self, bytes: &mut Vec<u8>, root: usize) -> Result<(), CollectiveError> {
        let root = self.ranks.process_at_rank(root as i32);
        let mut length = bytes.len() as u64;
        root.broadcast_into(&mut length);
        bytes.resize(length as usize, 0);
        bytes.chunks_mut(MESSAGE).for_each(|message| root.broadcast_into(message));
        Ok(())
    }

    fn all_gather_bytes(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        // One after the other: each may be as long as it likes.
        (0..self.world())
            .map(|rank| {
                let mut theirs = if rank == self.rank() { bytes.clone() } else { Vec::new() };
                self.broadcast(&mut theirs, rank)?;
                Ok(theirs)
            })
            .collect()
    }
}
