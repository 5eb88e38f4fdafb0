//! Several devices train one model: what they say to one another, and the replica that each of them has.
//!
//! wgpu has no collectives, so tensors meet in host memory, where a [`Collective`] adds them in the order of the ranks: the
//! same bits however fast each device is. Ranks are threads of one process ([`Local`]) or processes on one or many machines
//! (`Mpi`, with the feature `mpi`). A [`Replica`] hands each segment's gradients over as the walk passes it, and a thread
//! of its own, the [`Exchange`], adds them up with the others' while the walk goes on below.
//!
//! Two settings change what is exchanged: `sharded` deals the optimizer out (ZeRO stage 1), `outer` lets each rank train
//! alone for many steps (DiLoCo). A model that is too large for a device is cut into [`Stage`]s.

mod collective;
mod exchange;
mod local;
#[cfg(feature = "mpi")]
mod mpi;
mod outer;
mod pipeline;
mod replica;
mod sharded;
mod slow;
mod state;
pub mod timeline;
mod whole;

pub use crate::step::RankFigures;
pub use collective::{Collective, CollectiveError};
pub use exchange::Exchange;
pub use local::Local;
#[cfg(feature = "mpi")]
pub use mpi::{Mpi, join_mpi};
pub use pipeline::{Pipe, Stage};
pub use replica::Replica;
pub use slow::{Link, Slow};
pub use timeline::Timeline;

pub(crate) use outer::Outer;
pub(crate) use replica::{join, step_together};
pub(crate) use sharded::whole_moments;
pub(crate) use state::share;
pub(crate) use whole::whole;

use crate::TrainError;
use timeline::{Kind, Span};

/// Its own device's failure is told as any; another's is that rank's to tell.
pub(crate) fn failure(error: CollectiveError) -> TrainError {
    match error {
        CollectiveError::Device(text) => TrainError::Device(text),
        error => TrainError::Rank { rank: 0, device: "a rank".into(), reason: error.to_string() },
    }
}
