//! Which row each sample of a run is: pure functions of its number.

mod epochs;
mod mixture;
mod permutation;
mod sampler;
mod share;
mod sizes;
pub(crate) mod splitmix;

pub(crate) use self::epochs::Epochs;
pub(crate) use self::mixture::Mixture;
pub(crate) use self::sampler::Sampler;
pub use self::share::{Share, rows_by_speed};
pub use self::sizes::BatchSizes;
