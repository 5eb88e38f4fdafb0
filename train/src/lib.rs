//! The engine: a training step is a walk over a model's segments, forward and then back, and everything else is a policy on
//! that walk. Around it stand the session, which is what a run is wherever it runs, and the program `hearth`.
//!
//! Ten steps on the CPU from a list of token ids:
//!
//! ```
//! use std::sync::Arc;
//!
//! use burn::tensor::Device;
//! use hearth_data::{Batches, Rows, Tokens};
//! use hearth_model::preset;
//! use hearth_train::{
//!     guard::Ceiling,
//!     step::{StepOptions, Trainer},
//!     walk::Walk,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A text that repeats itself, so that there is something to learn.
//! let ids: Vec<u32> = (0..2000).map(|at| at * at % 17).collect();
//! let rows = Rows::windows(Arc::new(Tokens::new(ids)?.for_vocabulary(32)?), 16, 0, 1)?;
//! let batches = Batches::new(rows);
//!
//! let mut config = preset("stories260k")?;
//! (config.vocab_size, config.context_length) = (32, 16);
//! (config.layers, config.width, config.ffn_width) = (2, 32, 64);
//! (config.heads, config.kv_heads) = (4, 2);
//!
//! let device = Device::flex();
//! let walk = Walk::new(&config, 16, &device);
//! let mut options = StepOptions::new(10);
//! options.schedule.warmup_steps = 2;
//! let mut trainer = Trainer::new(config.init(1, &device)?, walk, options);
//!
//! let mut losses = Vec::new();
//! for step in 0..10 {
//!     let batch = batches.batch(8 * step..8 * (step + 1))?;
//!     let outcome = trainer.step(step, &[batch], &Ceiling::FINITE);
//!     losses.push(outcome.loss.into_scalar::<f32>());
//! }
//! assert!(losses[9] < losses[0] - 0.1, "{losses:?}");
//! # Ok(())
//! # }
//! ```
//!
//! The layers, each above what it uses:
//!
//! - [`walk`]: segments forward and back under a memory policy; gradients leave through an outlet. [`optim`]: rules of
//!   updates, schedules, clipping. [`readback`]: tensors to the host without making the device wait.
//! - [`guard`]: which updates are left out, and when a run goes back or ends. [`step`]: micro-batches, accumulation,
//!   clipping, update. [`plan`]: what a step takes in memory and time, and the policy that fits.
//! - [`checkpoint`]: bytes over a store, which is a folder or memory. [`certify`]: whether a device computes the right
//!   numbers.
//! - [`session`]: the loop over steps, with what is due between them, as events; it needs no file, thread, clock or
//!   terminal. [`engine`]: what takes its steps, one device or many.
//! - [`parallel`], [`devices`], [`report`], [`run`], [`bench`](mod@bench), [`scale`], [`eval`](mod@eval), [`chat`]: the native edge, where threads, files,
//!   clocks and a terminal are.
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

mod digits;
mod names;

#[cfg(not(target_family = "wasm"))]
pub mod base;
#[cfg(not(target_family = "wasm"))]
pub mod bench;
#[cfg(not(target_family = "wasm"))]
pub mod chat;
#[cfg(not(target_family = "wasm"))]
pub mod devices;
#[cfg(not(target_family = "wasm"))]
pub mod eval;
#[cfg(not(target_family = "wasm"))]
pub mod files;
#[cfg(not(target_family = "wasm"))]
pub mod parallel;
#[cfg(not(target_family = "wasm"))]
pub mod report;
#[cfg(not(target_family = "wasm"))]
pub mod run;
#[cfg(not(target_family = "wasm"))]
pub mod scale;

pub use burn;

pub use config::TrainConfig;
pub use error::TrainError;
pub use guard::{Ceiling, GuardConfig};
pub use optim::{Optimizer, OptimizerConfig, Rule, Schedule, ScheduleKind};
pub use session::{Engine, Event, Home, Metrics, Origin, Session};
pub use step::{StepOptions, StepOutcome, Trainer};
pub use walk::{MicroBatch, Policy, Sink, Walk};

#[cfg(not(target_family = "wasm"))]
pub use devices::{DeviceChoice, OpenDevice};
#[cfg(not(target_family = "wasm"))]
pub use run::{Run, RunFolder, RunSummary, Start};
