//! The transformer as Burn modules: configuration, layers, loss, initialisation, generation, pretrained weights.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use hearth_model::{Sampling, TransformerConfig, burn::tensor::Device, generate, weights};
//!
//! // A model with random weights, into a file and out of it. The CPU; `Device::wgpu(..)` is a GPU.
//! let (device, file) = (Device::flex(), std::env::temp_dir().join("hearth-front-page.safetensors"));
//! let config = TransformerConfig::llama(64, 32, 2, 48, 4);
//! weights::save(&config.init(1, &device)?, &file)?;
//! let mut model = config.init(2, &device)?;
//! weights::load(&mut model, &file)?;
//!
//! // Continues three tokens by eight. A browser awaits what other programs block on.
//! let every_token = async |_| ControlFlow::Continue(());
//! let ids = pollster::block_on(generate(&model, &[1, 2, 3], 8, &Sampling::greedy(), every_token))?;
//! assert_eq!(ids.len(), 8);
//! # Ok::<(), hearth_model::ModelError>(())
//! ```
//!
//! A [`Transformer`] is a list of segments: the [`Embedding`], the [`Block`]s, the [`Head`]. Between two segments
//! there is one tensor, the residual stream `[B, T, C]`. Each segment is a pure function of its parameters, its input
//! and (for dropout) a key, so that whoever trains the model decides in which order and with what memory to run them.
//! Layers are made one by one with an [`Initializer`].
//!
//! Shapes use one legend: `B` batch, `T` time (positions), `C` channels (model width), `H` heads, `K` key/value heads,
//! `D` head width, `F` feed-forward width, `V` vocabulary, `L` layers.

mod adapter;
mod adapter_config;
mod attention;
mod block;
mod config;
mod count;
mod embedding;
mod error;
mod expert_matrix;
mod experts;
mod frame;
mod generate;
mod head;
mod init;
mod latent_attention;
mod linear;
mod loss;
mod mlp;
mod model_shape;
mod norm;
mod presets;
mod rope;
mod shape;
mod stage;
mod token_matrix;
mod transformer;
mod validate;
mod value_embedding;

pub mod weights;

/// The version of Burn whose modules and tensors these are.
pub use burn;

pub use adapter::Adapter;
pub use adapter_config::{AdapterConfig, Projection};
pub use attention::{Attention, KeyValues};
pub use block::{Block, TransformerBlock};
pub use config::{
    Activation, NormKind, NormPlacement, Positions, QkNormOver, RopeLayout, RopeScaling, Rotation, RouterScore,
    TransformerConfig,
};
pub use count::{Flops, ParameterCount};
pub use embedding::Embedding;
pub use error::ModelError;
pub use expert_matrix::{ExpertMatrix, dealt};
pub use experts::Experts;
pub use frame::Frame;
pub use generate::{Generator, Sampling, generate};
pub use head::Head;
pub use hearth_wgsl::Key;
pub use init::Initializer;
pub use latent_attention::LatentAttention;
pub use linear::Linear;
pub use loss::{CrossEntropy, LossGradients};
pub use mlp::Mlp;
pub use model_shape::ModelShape;
pub use norm::Norm;
pub use presets::{PRESETS, preset};
pub use shape::{KernelSet, LayerShape, ParameterShape, Site, elements};
pub use token_matrix::TokenMatrix;
pub use transformer::{Look, Transformer};
pub use value_embedding::ValueEmbedding;
