//! Engines: what takes the steps of a [session](crate::session), on one device or on many.

mod alone;
pub(crate) mod build;

pub use alone::{Alone, Data};
