//! Operations of language models with kernels written by hand, in WGSL for GPUs and in Rust for the CPU, each with its backward
//! pass and a reference in plain Burn operations.
//!
//! ```
//! use hearth_wgsl::{NormOptions, burn::tensor::{Device, Tensor}, norm, vjp};
//!
//! // The CPU's kernels; `Device::wgpu(..)` runs those in WGSL.
//! let device = Device::flex();
//! let x = Tensor::<2>::from_floats([[3.0, 4.0], [6.0, 8.0]], &device).autodiff().require_grad();
//! let gamma = Tensor::<1>::ones([2], &device);
//! let y = norm(x.clone(), gamma, None, NormOptions { centred: false, eps: 0.0 });
//! let rows: Vec<f32> = y.clone().inner().into_data().iter().collect();
//! assert!((rows[0] - 3.0 / 12.5f32.sqrt()).abs() < 1e-6);
//!
//! // Back from a gradient of the result. Longer rows give the same normalised rows, so along a row it is 0.
//! let mut gradients = vjp(y, Tensor::from_floats([[3.0, 4.0], [3.0, 4.0]], &device));
//! let of_x: Vec<f32> = x.grad_remove(&mut gradients).expect("x is a leaf").into_data().iter().collect();
//! assert!(of_x.iter().all(|value| value.abs() < 1e-6));
//! ```
//!
//! | operation | what it is |
//! | --- | --- |
//! | [`attention()`], [`attention_with_sinks`] | causal attention without its scores in memory |
//! | [`norm()`] | RMS and layer normalisation, with scale and shift |
//! | [`rotate`] | rotary position embedding of queries and keys |
//! | [`gelu`], [`relu_squared`], [`swiglu`] | activations of the feed-forward network |
//! | [`linear()`], [`linears`], [`add_product`], [`accumulate`] | products with weights, and sums of products and of gradients |
//! | [`PackedMatrix`], [`linear_packed`] | frozen weights in 16, 8 or 4 bits, and products with them |
//! | [`route`], [`grouped`], [`carrying`] | mixtures of experts: rows to experts, products by expert, gradients that balance them |
//! | [`embedding()`], [`add_embedding_gradient`] | rows of a table by ids, and the table's gradient |
//! | [`cross_entropy()`] | the loss over logits in shards, its gradient in closed form |
//! | [`dropout()`], [`Key`] | dropout whose mask depends on a key alone |
//! | [`softmax()`] | softmax, with the same bits on a tape and off it |
//! | [`adamw()`], [`add_squares`] | the optimizer's update, and the sum of squares for the global norm |
//! | [`vjp()`] | a tape run back from a given gradient |
//! | [`decode`] | the same for one position, on slices of the CPU's memory |
//!
//! Shapes and dtypes are looked at in each front, on the host, so that every device refuses the same mistakes in the same
//! words; what is in an id is not, for that would wait for the device.
//!
//! Where the runtime does not take WGSL text (builds with Burn's `vulkan` or `metal` feature), tensors on the CPU are stored in
//! other than f32, or a [`Kernel`] is switched off, the reference runs instead; the results are the same within rounding. On a
//! GPU tensors may be stored in f16 where the adapter has it.
//!
//! # A further operation
//! An operation is a folder: the `.wgsl` files (real shaders, included as text), the host code that launches them, the tape's
//! backward pass, the CPU kernel (`cpu.rs`, by what the folder `cpu` has), and a reference that tests compare with. `gate` is the
//! pattern for the rest.

mod adamw;
mod attention;
mod check;
mod choice;
mod cpu;
mod cross_entropy;
pub mod decode;
mod dropout;
mod embedding;
mod experts;
mod gate;
mod kernels;
#[cfg(feature = "gpu")]
mod launch;
mod linear;
mod norm;
mod packed;
mod rope;
#[cfg(feature = "gpu")]
mod row;
#[cfg(all(test, feature = "gpu"))]
mod shaders;
mod softmax;
mod squares;
#[doc(hidden)]
pub mod testing;
mod threefry;
mod vjp;

/// The version of Burn whose tensors these operations take.
pub use burn;

pub use adamw::{AdamWNumbers, adamw};
pub use attention::{AttentionOptions, attention, attention_weights, attention_with_sinks, has_attention_kernel};
pub use cpu::on_all_cores;
pub use cross_entropy::{CrossEntropyOptions, LogitLoss, cross_entropy};
pub use dropout::dropout;
pub use embedding::{add_embedding_gradient, embedding};
pub use experts::{Routing, carrying, grouped, route};
pub use gate::{gelu, relu_squared, swiglu};
pub use kernels::{Kernel, without_kernels};
pub use linear::{accumulate, add_product, linear, linears};
pub use norm::{NormOptions, norm};
pub use packed::{PackError, PackedForm, PackedMatrix, linear_packed};
pub use rope::rotate;
pub use softmax::softmax;
pub use squares::{add_squares, squares_from};
pub use threefry::Key;
pub use vjp::vjp;
