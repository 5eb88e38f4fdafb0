//! What the CPU kernels share: tensors as slices, tasks for all cores, and vectors of numbers.
//!
//! A kernel cuts its work into tasks whose borders depend on shapes alone, and adds what tasks found in their order: the
//! bits are the same for any number of threads. (Tiles of a product depend on the threads, and no sum of one is cut.) What a
//! processor's vectors are wide, they may depend on.

mod awake;
mod buffers;
mod math;
mod matrix;
mod tasks;
mod tensor;
#[cfg(test)]
mod testing;
mod vector;

pub use awake::on_all_cores;
pub use buffers::Scratch;
pub use math::{exp, sigmoid, tanh};
pub use matrix::{Heads, Matrix, MatrixMut};
pub use tasks::{ELEMENTS, each, piece, split, threads};
pub use tensor::{contiguous, integers, new, takes, values, values_mut};
#[cfg(test)]
pub use testing::{ODD, same_in_all_pools, same_without_kernels};
pub(crate) use vector::vectorized;
pub use vector::{Arch, Map, Simd, Vector, WithSimd, add, elementwise, fold, map, update};
