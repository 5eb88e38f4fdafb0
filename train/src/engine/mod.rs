//! Engines: what takes the steps of a [session](crate::session), on one device or on many.

mod alone;
pub(crate) mod build;
mod data;
mod first_model;

#[cfg(not(target_family = "wasm"))]
mod blame;
#[cfg(not(target_family = "wasm"))]
mod connect;
#[cfg(not(target_family = "wasm"))]
mod divide;
#[cfg(not(target_family = "wasm"))]
mod figures;
#[cfg(not(target_family = "wasm"))]
mod follow;
#[cfg(not(target_family = "wasm"))]
mod members;
#[cfg(not(target_family = "wasm"))]
mod pipes;
#[cfg(not(target_family = "wasm"))]
mod protocol;
#[cfg(not(target_family = "wasm"))]
mod survive;
#[cfg(not(target_family = "wasm"))]
mod team;
#[cfg(not(target_family = "wasm"))]
mod work;
#[cfg(not(target_family = "wasm"))]
mod workers;

pub use alone::Alone;
pub use data::{Data, Streams};

#[cfg(not(target_family = "wasm"))]
pub(crate) use first_model::first_model;
#[cfg(not(target_family = "wasm"))]
pub(crate) use follow::follow;
#[cfg(not(target_family = "wasm"))]
pub use members::Members;
#[cfg(not(target_family = "wasm"))]
pub(crate) use survive::surviving;
#[cfg(not(target_family = "wasm"))]
pub use team::Team;
