//! Text to tokens to batches, in memory.
//!
//! ```text
//! read_text -> Tokenizer::encode -> Tokens::split -> Batches::batch
//!   String          Vec<u32>       train, validation   [B, T] inputs and targets
//! ```
//!
//! A position in the training data is one integer, the number of samples drawn so far. The sampler is a
//! keyed permutation, not a shuffled list: any position is reached in constant time, so a run resumes, and
//! micro-batches and replicas cut the same global batch, without any other state.
//!
//! ```
//! use hearth_data::{Batches, TokenizerKind, Tokens};
//!
//! # fn main() -> Result<(), hearth_data::DataError> {
//! let text = "To be, or not to be: that is the question.";
//! let tokenizer = TokenizerKind::Char.build(text)?;
//! let (train, _validation) = Tokens::new(tokenizer.encode(text)?)?.split(0.1)?;
//! let batches = Batches::new(train, 8, 42)?;
//!
//! let batch = batches.batch(0, 2);
//! assert_eq!(batch.inputs.len(), 2 * 8);
//! assert_eq!(batch.targets[0], batch.inputs[1]);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here knows of models or devices. The crate compiles for wasm32, but for the reader of files in their many
//! forms (`Corpus`), which is native.

mod batch;
mod error;
mod permutation;
#[cfg(not(target_family = "wasm"))]
mod reader;
mod sampler;
mod splitmix;
mod text;
mod tokenizer;
mod tokens;

pub use batch::{Batch, Batches, IGNORED};
pub use error::DataError;
#[cfg(not(target_family = "wasm"))]
pub use reader::{Corpus, Documents, Fault, FaultKind, Faults, OnFault, Piece, ReadOptions};
pub use text::read_text;
pub use tokenizer::{BpeTokenizer, CharTokenizer, Tokenizer, TokenizerKind};
pub use tokens::Tokens;
