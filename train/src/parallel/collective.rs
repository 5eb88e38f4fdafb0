//! What ranks do together.

use std::ops::Range;

/// Ranks that work in step: each calls the same operations in the same order, with as many values.
///
/// Sums are taken in the order of the ranks, so that they have the same bits every time.
pub trait Collective: Send {
    /// This one's number, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn world(&self) -> usize;

    /// Adds the values of all ranks; each gets the sums of its own [`part`], in place.
    ///
    /// # Errors
    /// A rank that is gone.
    fn reduce_scatter(&self, values: &mut [f32]) -> Result<(), CollectiveError>;

    /// Gives every rank's own [`part`] to all, in place.
    ///
    /// # Errors
    /// A rank that is gone.
    fn all_gather(&self, values: &mut [f32]) -> Result<(), CollectiveError>;

    /// Gives the values of `root` to all.
    ///
    /// # Errors
    /// A rank that is gone.
    fn broadcast(&self, values: &mut [f32], root: usize) -> Result<(), CollectiveError>;

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

/// The consecutive values of `length` that belong to `rank` of `world`; parts differ by at most one value.
pub fn part(length: usize, rank: usize, world: usize) -> Range<usize> {
    let boundary = |rank: usize| rank * length / world;
    boundary(rank)..boundary(rank + 1)
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
