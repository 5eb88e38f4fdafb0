//! What batches are cut from: token ids in a row, wherever they are kept.

use std::{fmt::Debug, ops::Range};

use crate::DataError;

/// What the hash of a stream of pairs has behind that of its tokens.
pub(crate) const PAIRS: &[u8] = b"pairs";

/// A stream of token ids that consists of documents, one after the other without gaps. Every id fits an `i32`, the
/// integer that devices take. One stream serves several threads.
pub trait TokenStream: Debug + Send + Sync {
    /// Number of tokens.
    fn token_count(&self) -> u64;

    /// Copies the tokens `start..start + out.len()`.
    ///
    /// # Errors
    /// When they cannot be read from where they are kept.
    ///
    /// # Panics
    /// When the stream ends before.
    fn copy(&self, start: u64, out: &mut [i32]) -> Result<(), DataError>;

    /// Fills `out` with which of the tokens `start..start + out.len()` a model is trained to say: all of them, where the stream
    /// does not tell.
    ///
    /// # Errors
    /// When that cannot be read from where it is kept.
    ///
    /// # Panics
    /// When the stream ends before.
    fn trained(&self, start: u64, out: &mut [bool]) -> Result<(), DataError> {
        let _ = start;
        out.fill(true);
        Ok(())
    }

    /// Whether some tokens may not be trained; where not, [`TokenStream::trained`] need not be asked.
    fn is_masked(&self) -> bool {
        false
    }

    /// Whether documents `2k` and `2k + 1` are the chosen and the rejected one of a preference.
    fn holds_pairs(&self) -> bool {
        false
    }

    /// Number of documents.
    fn document_count(&self) -> u64;

    /// The tokens of a document, counted from 0. An empty document is allowed.
    ///
    /// # Errors
    /// When where it ends cannot be read.
    ///
    /// # Panics
    /// When there are not that many.
    fn document(&self, document: u64) -> Result<Range<u64>, DataError>;

    /// What tells this stream from one with other content, another mask among it; the same wherever the content lies.
    fn content_hash(&self) -> [u8; 32];
}
