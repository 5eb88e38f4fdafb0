//! What a run can be gone on with: one folder a checkpoint, `step-00001200/`, in a [`Store`], such as the folder of the run.
//!
//! | file | what it holds |
//! |---|---|
//! | `model.safetensors` | the parameters, as any tool reads them |
//! | `optimizer.safetensors` | what the optimizer keeps of each parameter: AdamW's moments, `first.NAME` and `second.NAME`; Lion's and Muon's `momentum.NAME`; an average less the parameter, `average_offset.NAME` |
//! | `state.json` | step, data position, what the guards remember |
//! | `config.toml`, `tokenizer.json` | as in the run's folder, so that `hearth generate` takes a checkpoint too |
//! | `kernels.json` | the kernels that were chosen, on devices that choose |
//! | `manifest.json` | format, step, adapter, hashes of tokenizer and data, size and hash of every file and of itself |
//!
//! It is written under another name and renamed when all of it is safe. Which is the newest is found by looking, and
//! nothing in it is believed before its size and hash are right. The bytes are the same whatever the store: [`Folder`] on
//! a disk, [`Memory`] in a browser; [`Checkpoint::copy_to`] carries them from one to the other.

mod copy;
#[cfg(not(target_family = "wasm"))]
mod disk;
mod error;
mod kernels;
mod list;
mod manifest;
mod memory;
mod names;
mod read;
mod retention;
mod snapshot;
mod store;
mod tensors;
mod write;
#[cfg(not(target_family = "wasm"))]
mod writer;

#[cfg(test)]
mod tests;

#[cfg(not(target_family = "wasm"))]
pub use disk::Folder;
pub use error::CheckpointError;
pub use kernels::KernelChoices;
#[cfg(not(target_family = "wasm"))]
pub(crate) use kernels::{ByOperation, DeviceKernels, KernelChoice};
pub use list::{list, newest};
pub use manifest::{Description, FileEntry, Manifest};
pub use memory::Memory;
pub use read::Checkpoint;
pub use retention::{Retention, clean, retain};
pub use snapshot::{Elsewhere, Snapshot, outer_momentum, restore, restore_weights, state_of_ranks, with_averages};
pub use store::{Mapped, NewFile, Store};
pub use tensors::{TensorSpec, Tensors};
pub use write::{NewCheckpoint, NewTensors};
#[cfg(not(target_family = "wasm"))]
pub use writer::spawn_writer;
