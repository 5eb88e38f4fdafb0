//! The engine: the walk, the optimizer, devices, reports; and the program `hearth`.
//!
//! The layers, each above what it uses:
//!
//! - [`walk`]: segments forward and back under a memory policy, gradients into a sink. [`optim`]: AdamW, schedules,
//!   clipping. [`readback`]: tensors to the host without making the device wait.
//! - [`guard`]: which updates are left out, and when a run goes back or ends.
//! - [`step`]: micro-batches, accumulation, clipping, update. It waits for the device only for what a policy keeps in
//!   host memory.
//! - [`plan`]: what a step takes in memory and time, and the policy that fits.
//! - [`parallel`]: replicas of a model on several devices, whose gradients are added on the way.
//! - [`checkpoint`], [`devices`], [`report`], [`run`], [`certify`]: the native edge, where files, threads and a terminal
//!   are.
//!
//! `walk`, `optim`, `guard`, `step` and `plan` compile for the web; the rest needs an operating system.

pub mod certify;
pub mod config;
pub mod error;
pub mod guard;
pub mod optim;
pub mod plan;
pub mod readback;
pub mod step;
pub mod walk;

#[cfg(not(target_family = "wasm"))]
pub mod checkpoint;
#[cfg(not(target_family = "wasm"))]
pub mod devices;
#[cfg(not(target_family = "wasm"))]
pub mod parallel;
#[cfg(not(target_family = "wasm"))]
pub mod report;
#[cfg(not(target_family = "wasm"))]
pub mod run;

pub use config::TrainConfig;
pub use error::TrainError;
