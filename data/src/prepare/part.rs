//! A piece on its way to a shard: as text, then as tokens.

use crate::{DataError, FileFault, PieceOrigin, Split};

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

/// The tokens of a piece.
#[derive(Debug, Default)]
pub(super) struct PartTokens {
    pub ids: Vec<u32>,
    /// Which of them are trained; none where all are.
    pub trained: Option<Vec<bool>>,
    /// How many of them stand before the end of each document that ends in the piece, rising.
    pub ends: Vec<usize>,
    /// What came of the piece, where it is a row.
    pub row: Option<PartRow>,
}

/// What came of a row.
#[derive(Debug)]
pub(super) enum PartRow {
    /// It is one document, or two of a pair.
    Kept { is_pair: bool, is_cut: bool },
    /// It has no tokens.
    LeftOut(FileFault),
}

/// What makes tokens of pieces, on many threads.
pub(super) trait PartEncoder: Sync {
    /// # Errors
    /// When the piece has no tokens, and that is to end everything.
    fn encode(&self, part: &Part<String>) -> Result<PartTokens, DataError>;
}
