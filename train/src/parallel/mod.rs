//! Several devices train one model: what they say to one another, and the [`Rank`] that each of them is.
//!
//! wgpu has no collectives, so tensors meet in host memory, where a [`Collective`] adds them in the order of the ranks: the
//! same bits however fast each device is. Ranks are threads of one process ([`Local`]) or processes on one or many machines
//! (`Mpi`, with the feature `mpi`). Each segment's gradients leave as the walk is done with it, and a thread of its own, the
//! [`Exchange`], adds them up with the others' while the walk goes on below.
//!
//! A rank has the whole model, or a stage of a pipeline (its [`Pipe`]). `shard_optimizer` divides the optimizer's state
//! among replicas (ZeRO stage 1), `local_steps` lets each train alone for many steps (DiLoCo).

mod broadcast;
mod collective;
mod exchange;
mod host;
mod lines;
mod local;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "mpi")]
mod mpi_pipe;
mod outer;
mod outer_state;
mod pipeline;
mod probe;
mod rank;
mod sharded;
mod slow;
mod stage;
pub mod timeline;

pub use collective::{Collective, CollectiveError};
pub use exchange::Exchange;
pub use local::Local;
#[cfg(feature = "mpi")]
pub use mpi::{Mpi, join_mpi};
#[cfg(feature = "mpi")]
pub use mpi_pipe::mpi_pipe;
pub use outer_state::OuterState;
pub use pipeline::Pipe;
pub use probe::{Point, Probe};
pub use rank::{Links, Rank};
pub use slow::{Link, Slow};
pub use timeline::{Recorded, Timeline};
