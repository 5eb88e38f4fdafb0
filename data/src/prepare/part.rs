//! A piece on its way to a shard.

use super::part_tokens::PartTokens;
use crate::{DataError, PieceOrigin, Split};

/// A piece, with what is known of it.
pub(super) struct Part<Content> {
    /// Number of its piece in the corpus.
    pub number: u64,
    pub split: Split,
    pub begins_document: bool,
    pub ends_document: bool,
    pub origin: Option<PieceOrigin>,
    pub content: Content,
}

/// Pieces that are handed to a thread in one go.
pub(super) struct Batch<Content> {
    pub parts: Vec<Part<Content>>,
    /// Bytes of the corpus' files that have been read up to here.
    pub bytes_read: u64,
}

/// What makes tokens of pieces, on many threads.
pub(super) trait PartEncoder: Sync {
    /// # Errors
    /// When the piece has no tokens, and that is to end everything.
    fn encode(&self, part: &Part<String>) -> Result<PartTokens, DataError>;
}
