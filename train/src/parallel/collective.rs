//! What ranks do together.

/// Ranks that work in step: each calls the same operations in the same order, with as many values.
///
/// Sums are taken in the order of the ranks, so that they have the same bits every time.
pub trait Collective {
    /// This one's number, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn world(&self) -> usize;

    /// Adds the values of all ranks; each gets the sums of its own part ([`OptimizerShard::part`](crate::optim::OptimizerShard::part)), in place.
    ///
    /// # Errors
    /// A rank that is gone.
    fn reduce_scatter(&self, values: &mut [f32]) -> Result<(), CollectiveError>;

    /// Gives every rank's own part ([`OptimizerShard::part`](crate::optim::OptimizerShard::part)) to all, in place.
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
    fn all_gather_bytes(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, CollectiveError>;

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
    /// A rank ended, so that others wait in vain.
    #[error("rank {rank} of {world} is gone: its device failed or its process ended; see what it printed")]
    Lost {
        /// Number of that rank.
        rank: usize,
        /// Number of ranks there were.
        world: usize,
    },
    /// A rank did not do what the others waited for.
    #[error("rank {rank} did not do its part within {seconds} s: its device hangs, or is far too slow")]
    Late {
        /// Number of that rank.
        rank: usize,
        /// What the others waited.
        seconds: u64,
    },
    /// A rank's device failed: its values did not come out of it, wherever they were waited for.
    #[error("rank {rank}: {reason}")]
    Device {
        /// Number of the rank whose device it is.
        rank: usize,
        /// What the device said.
        reason: String,
    },
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

impl CollectiveError {
    /// The error as a wider group has it, in which there are `world` ranks, and a rank of this one has the number that `wide`
    /// gives.
    pub(super) fn widened(mut self, world: usize, wide: impl Fn(usize) -> usize) -> Self {
        match &mut self {
            Self::Lost { rank, world: of } => (*rank, *of) = (wide(*rank), world),
            Self::Late { rank, .. } | Self::Device { rank, .. } => *rank = wide(*rank),
            Self::Mismatch { rank, other, .. } => (*rank, *other) = (wide(*rank), wide(*other)),
            Self::Start(_) => {}
        }
        self
    }
}
