//! What ranks do together.

/// Ranks that work in step: each calls the same operations in the same order, with as many values.
///
/// Sums are taken in the order of the ranks, so that they have the same bits every time.
pub trait Collective {
    /// This one's number, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn world(&self) -> usize;

    /// Adds the values of all ranks; each gets the sums of its own part ([`Shard::part`](crate::optim::Shard::part)), in place.
    ///
    /// # Errors
    /// A rank that is gone.
    fn reduce_scatter(&self, values: &mut [f32]) -> Result<(), CollectiveError>;

    /// Gives every rank's own part ([`Shard::part`](crate::optim::Shard::part)) to all, in place.
    ///
    /// # Errors
    /// A rank that is gone.
    fn all_gather(&self, values: &mut [f32]) -> Result<(), CollectiveError>;

    /// Gives the bytes of `root`, however many, to all: theirs are replaced.
    ///
    /// # Errors
    /// A rank that is gone.
    fn broadcast(&self, bytes: &mut Vec<u8>, root: usize) -> Result<(), CollectiveError>;

    /// Gives every rank's bytes, which may differ in number, to all, by rank.
    ///
    /// # Errors
    /// A rank that is gone.
    fn collect(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, CollectiveError>;

    /// Adds the values of all ranks; each gets all sums.
    ///
    /// # Errors
    /// A rank that is gone.
    fn all_reduce(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.reduce_scatter(values)?;
        self.all_gather(values)
    }

    /// Waits for all.
    ///
    /// # Errors
    /// A rank that is gone.
    fn barrier(&self) -> Result<(), CollectiveError> {
        self.all_gather(&mut [])
    }
}

/// Why ranks cannot go on together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CollectiveError {
    /// One of them ended, or its device failed.
    #[error("rank {rank} of {world} is gone: its device failed or its process ended; see what it printed")]
    Lost {
        /// Its number.
        rank: usize,
        /// How many there were.
        world: usize,
    },
    /// This rank's own device failed.
    #[error("{0}")]
    Device(String),
    /// Ranks cannot be had.
    #[error("{0}")]
    Start(String),
    /// They are not doing the same.
    #[error(
        "rank {rank} brought {found} values where rank {other} has {expected}: all ranks must run one configuration"
    )]
    Mismatch {
        /// The one that noticed.
        rank: usize,
        /// Its values.
        expected: usize,
        /// Whom it compared with.
        other: usize,
        /// That one's values.
        found: usize,
    },
}
