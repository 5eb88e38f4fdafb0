//! The engine: a training step is a walk over a model's segments, forward and then back, and everything else is a policy on
//! that walk. Around it stand the session, which is what a run is wherever it runs, and the program `hearth`.
//!
//! The layers, each above what it uses:
//!
//! - [`walk`]: segments forward and back under a memory policy; gradients leave through an outlet. [`optim`]: AdamW,
//!   schedules, clipping. [`readback`]: tensors to the host without making the device wait.
//! - [`guard`]: which updates are left out, and when a run goes back or ends. [`step`]: micro-batches, accumulation,
//!   clipping, update. [`plan`]: what a step takes in memory and time, and the policy that fits.
//! - [`checkpoint`]: bytes over a store, which is a folder or memory. [`certify`]: whether a device computes the right
//!   numbers.
//! - [`session`]: the loop over steps, with what is due between them, as events; it needs no file, thread, clock or
//!   terminal. [`engine`]: what takes its steps, one device or many.
//! - [`parallel`], [`devices`], [`report`], [`run`]: the native edge, where threads, files and a terminal are.
//!
//! All but the native edge compiles for the web. Without the feature `cli` this is a library: it prints nothing, and
//! installs no hook and no logger.

pub mod certify;
pub mod checkpoint;
pub mod config;
pub mod engine;
pub mod error;
pub mod guard;
pub mod optim;
pub mod plan;
pub mod readback;
pub mod session;
pub mod step;
pub mod walk;

#[cfg(not(target_family = "wasm"))]
pub mod devices;
#[cfg(not(target_family = "wasm"))]
mod files;
#[cfg(not(target_family = "wasm"))]
pub mod parallel;
#[cfg(not(target_family = "wasm"))]
pub mod report;
#[cfg(not(target_family = "wasm"))]
pub mod run;

pub use burn;

pub use config::TrainConfig;
pub use error::TrainError;
pub use guard::{Ceiling, GuardConfig};
pub use optim::{AdamW, OptimizerConfig, Schedule, ScheduleKind};
pub use session::{Engine, Event, Home, Metrics, Origin, Session};
pub use step::{StepOptions, StepOutcome, Trainer};
pub use walk::{MicroBatch, Policy, Sink, Walk};

#[cfg(not(target_family = "wasm"))]
pub use devices::{DeviceChoice, OpenDevice};
#[cfg(not(target_family = "wasm"))]
pub use run::{Run, RunFolder, Start, Summary};
