//! What came of a piece.

use crate::FileFault;

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
