//! The worker that trains in a browser's tab: the session of `hearth-train`, a home for it, and messages to the page.
//!
//! Nothing here is a loop over steps, a checkpoint or a plan of its own. [`serve`] answers what the page asks; while a run
//! is under way the home of its session does, at the boundary of each step. What a browser has, and a test has not, stands behind
//! [`Platform`].

mod answers;
mod device;
mod drive;
#[cfg(target_family = "wasm")]
mod exports;
mod fault;
mod front;
mod home;
mod inbox;
mod log;
mod look;
pub mod messages;
mod plan;
mod platform;
mod probe;
mod run;
mod settings;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod trouble;
mod worker;

pub use inbox::{Inbox, Mail};
pub use platform::{DriveError, Platform, Soon};
pub use worker::serve;
