//! Operations with kernels written by hand in WGSL, each with its backward and a plain-Burn reference.
//!
//! An operation is a folder: the `.wgsl` file (a real shader, included as text), the host code that launches it, and a
//! reference in plain Burn operations that every other backend uses and that tests compare with.
//! [`dropout`] is the pattern for the rest.
//!
//! Where the runtime does not take WGSL text (builds with Burn's `vulkan` or `metal` feature, the CPU backend),
//! the reference runs instead; the results are the same.

mod kernels;
mod launch;
mod row;
#[cfg(test)]
mod shaders;

pub mod adamw;
pub mod attention;
pub mod cross_entropy;
pub mod dropout;
pub mod embedding;
pub mod gate;
pub mod norm;
pub mod rope;
pub mod softmax;
pub mod squares;
#[doc(hidden)]
pub mod testing;
pub mod threefry;
pub mod vjp;

pub use adamw::{AdamWNumbers, adamw};
pub use attention::{AttentionOptions, attention};
pub use cross_entropy::{CrossEntropyOptions, cross_entropy};
pub use dropout::dropout;
pub use embedding::embedding;
pub use gate::{gelu, swiglu};
pub use kernels::Kernel;
pub use norm::{NormOptions, norm};
pub use rope::rotate;
pub use softmax::softmax;
pub use squares::{add_squares, squares_from};
pub use threefry::Key;
pub use vjp::vjp;
