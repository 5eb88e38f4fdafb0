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
//! A corpus that does not fit in memory is made into shards by a [`Preparation`] and read as [`TokenFiles`].
//!
//! Nothing here knows of models or devices. Those two are native only; what else there is starts no thread, does no I/O
//! beyond [`read_text`], and compiles for wasm32.

mod batch;
mod char_tokenizer;
mod error;
#[cfg(not(target_family = "wasm"))]
mod new_file;
mod permutation;
#[cfg(not(target_family = "wasm"))]
mod prepare;
mod sampler;
#[cfg(not(target_family = "wasm"))]
mod shard;
mod splitmix;
mod text;
mod tokenizer;
mod tokens;

pub use batch::{Batch, Batches, IGNORED};
pub use char_tokenizer::CharTokenizer;
pub use error::DataError;
#[cfg(not(target_family = "wasm"))]
pub use prepare::{Counts, Encode, Outcome, Piece, Preparation, PrepareSettings, Progress, Split, Summary};
#[cfg(not(target_family = "wasm"))]
pub use shard::TokenFiles;
pub use text::read_text;
pub use tokenizer::{Tokenizer, TokenizerKind};
pub use tokens::Tokens;
