//! What a run can be gone on with: one folder a checkpoint, `step-00001200/`, in the folder of the run.
//!
//! | file | what it holds |
//! |---|---|
//! | `model.safetensors` | the parameters, as any tool reads them |
//! | `optimizer.safetensors` | AdamW's moments, `first.NAME` and `second.NAME` for each parameter |
//! | `state.json` | step, data position, what the guards remember |
//! | `config.toml`, `tokenizer.json` | as in the run's folder, so that `hearth generate` takes a checkpoint too |
//! | `kernels.json` | the kernels that were chosen, on devices that choose |
//! | `manifest.json` | format, step, adapter, hashes of tokenizer and data, size and hash of every file and of itself |
//!
//! It is written under another name and renamed when all of it is on the disk. Which is the newest is found by looking,
//! and nothing in it is believed before its size and hash are right.

mod error;
mod file;
mod manifest;
mod read;
mod shelf;
mod snapshot;
mod tensors;
mod write;
mod writer;

#[cfg(test)]
mod tests;

pub use error::CheckpointError;
pub use manifest::{Description, FileEntry, Manifest};
pub use read::Checkpoint;
pub use shelf::{Retention, clean, list, newest, retain};
pub use snapshot::{Elsewhere, Snapshot, outer_momentum, restore, restore_weights};
pub use tensors::{TensorSpec, Tensors};
pub use write::{NewCheckpoint, NewTensors};
pub use writer::spawn_writer;
