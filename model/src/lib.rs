//! The transformer as Burn modules: configuration, layers, loss, initialisation, generation, pretrained weights.
//!
//! A [`Transformer`] is a list of segments: the [`Embedding`], the [`Block`]s, the [`Head`]. Between two segments
//! there is one tensor, the residual stream `[B, T, C]`. Each segment is a pure function of its parameters, its input
//! and (for dropout) a key, so that whoever trains the model decides in which order and with what memory to run them.
//!
//! Shapes use one legend: `B` batch, `T` time (positions), `C` channels (model width), `H` heads, `K` key/value heads,
//! `D` head width, `F` feed-forward width, `V` vocabulary, `L` layers.

mod attention;
mod block;
mod config;
mod count;
mod embedding;
mod error;
mod frame;
mod head;
mod init;
mod loss;
mod mlp;
mod norm;
mod presets;
mod rope;
mod stage;
mod token_matrix;
mod transformer;

pub mod generate;
pub mod weights;

pub use attention::{Attention, KeyValues};
pub use block::Block;
pub use config::{Activation, NormKind, Positions, RopeLayout, TransformerConfig};
pub use count::{Flops, ParameterCount};
pub use embedding::Embedding;
pub use error::ModelError;
pub use frame::Frame;
pub use head::Head;
pub use hearth_wgsl::Key;
pub use loss::{CrossEntropy, IGNORED, LossGradients};
pub use mlp::Mlp;
pub use norm::Norm;
pub use presets::{PRESETS, preset};
pub use token_matrix::TokenMatrix;
pub use transformer::Transformer;
