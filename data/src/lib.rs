//! Text to tokens to batches.
//!
//! ```text
//! Corpus -> Preparation -> TokenFiles
//!                                     a TokenStream -> Rows -> Batches ------> Loader
//! text -> Tokenizer -> Tokens                          [T]     [B, T], by number  prepared ahead
//! ```
//!
//! A text is tokenized in memory; a corpus that does not fit there is made into shards by a [`Preparation`], once, and read
//! as [`TokenFiles`].
//!
//! A position in the training data is one integer, the number of samples drawn so far. The sampler is a
//! keyed permutation, not a shuffled list: any position is reached in constant time, so a run resumes, and
//! micro-batches and replicas cut the same global batch, without any other state. A mixture of streams and the packing of
//! documents keep to that: each row is a pure function of its sample number.
//!
//! ```
//! use std::sync::Arc;
//!
//! use hearth_data::{Batches, Rows, TokenizerKind, Tokens};
//!
//! # fn main() -> Result<(), hearth_data::DataError> {
//! let text = "To be, or not to be: that is the question.";
//! let tokenizer = TokenizerKind::Char.build(text)?;
//! let (train, _validation) = Tokens::new(tokenizer.encode(text)?)?.split(0.1)?;
//! let batches = Batches::new(Rows::windows(Arc::new(train), 8, 0, 42)?);
//!
//! let batch = batches.batch(0..2)?;
//! assert_eq!(batch.inputs.len(), 2 * 8);
//! assert_eq!(batch.targets[0], batch.inputs[1]);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here knows of models or devices. The crate compiles for wasm32, where [`Loader`] does without its thread and
//! what reads and writes files is not there. Without its feature `tokenizers` it has bytes and characters alone.

mod batch;
#[cfg(feature = "tokenizers")]
pub mod chat;
#[cfg(any(feature = "tokenizers", not(target_family = "wasm")))]
mod contained;
mod encoding;
mod error;
#[cfg(not(target_family = "wasm"))]
mod new_file;
mod order;
#[cfg(not(target_family = "wasm"))]
mod prepare;
#[cfg(not(target_family = "wasm"))]
mod prepared_folder;
#[cfg(not(target_family = "wasm"))]
mod reader;
#[cfg(not(target_family = "wasm"))]
mod shard;
mod stream;
mod text;
mod tokenizer;
mod tokens;

#[cfg(feature = "dataset")]
pub use batch::TokenDataset;
pub use batch::{Batch, Batches, IGNORED, Loader, Packed, Rows};
pub use error::{DataError, TokenizerError};
pub use order::{BatchSizes, Share, rows_by_speed};
#[cfg(not(target_family = "wasm"))]
pub use prepare::{
    Counts, Encode, Outcome, Preparation, PrepareProgress, PrepareSettings, PrepareSummary, Split, tokenizer_of_shards,
};
#[cfg(all(feature = "tokenizers", not(target_family = "wasm")))]
pub use prepare::{PreparedRow, RowOutcome, RowSettings};
#[cfg(not(target_family = "wasm"))]
pub use reader::{
    Corpus, Documents, FaultKind, FaultPlace, FileFault, FileFaults, OnFault, Piece, PieceOrigin, ReadOptions,
};
#[cfg(not(target_family = "wasm"))]
pub use shard::{EndedFiles, TokenFiles};
pub use stream::TokenStream;
pub use text::{decode_text, read_text};
#[cfg(feature = "tokenizers")]
pub use tokenizer::TokenizerOptions;
pub use tokenizer::{CharTokenizer, JsonTokenizer, TextStream, Tokenizer, TokenizerKind};
pub use tokens::Tokens;
