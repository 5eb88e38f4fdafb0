//! What page and worker tell each other, as JSON; bytes travel beside it. `src/messages.ts` is made from these types.
//!
//! Counts of steps and bytes are `u32` and `f64`, which JavaScript's numbers hold exactly.

// The fields of a message are told of by the message and by their types.
#[allow(missing_docs)]
mod reply;
#[allow(missing_docs)]
mod request;
mod run;
#[cfg(test)]
mod typescript;

pub use reply::*;
pub use request::*;
pub use run::*;

/// A count of steps or tokens for the page; the largest it has where there are more.
pub fn count(count: impl TryInto<u32>) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}
