//! Several devices train one model: what they say to one another, and the replica that each of them has.
//!
//! wgpu has no collectives, so tensors meet in host memory, where a [`Collective`] adds them in the order of the ranks: the
//! same bits however fast each device is. A [`Replica`] hands each segment's gradients over as the walk passes it, and a
//! thread of its own adds them up with the others' while the walk goes on below.

mod collective;
mod exchange;
mod local;
mod replica;

pub use collective::{Collective, CollectiveError, part};
pub use local::Local;
pub use replica::Replica;

pub(crate) use exchange::{Exchange, Outgoing};
pub(crate) use replica::step_together;
