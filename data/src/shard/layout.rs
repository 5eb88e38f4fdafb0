//! Where tokens and document ends stand in a file of any of the formats.

use std::path::Path;

use crate::DataError;

/// The numbers of a header, or of a format without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes before the first token.
    pub header_bytes: usize,
    /// Bytes of a token.
    pub width: u32,
    pub tokens: u64,
    pub documents: u64,
    /// Ids run from 0 to one below this.
    pub vocab_size: u64,
    /// Whether a mask of a bit for each token stands behind the document ends.
    pub masked: bool,
}

impl Layout {
    /// Whether the numbers go together, and with a file of `bytes` bytes. Afterwards each size is one of a part of the
    /// file, and fits a `usize`.
    pub(super) fn check(&self, bytes: usize, path: &Path) -> Result<(), DataError> {
        if !matches!(self.width, 2 | 4) {
            return Err(DataError::TokenWidth { path: path.into(), width: self.width });
        }
        // Products of at most 64 + 3 bits.
        let expected = self.header_bytes as u128
            + u128::from(self.tokens) * u128::from(self.width)
            + u128::from(self.documents) * u128::from(u64::BITS / 8)
            + u128::from(if self.masked { self.tokens.div_ceil(8) } else { 0 });
        if expected != bytes as u128 {
            let (tokens, documents) = (self.tokens, self.documents);
            return Err(DataError::FileLength { path: path.into(), bytes, expected, tokens, documents });
        }
        if self.tokens == 0 {
            return Err(DataError::NoTokens { path: path.into() });
        }
        if !(1..=highest_vocab_size(self.width)).contains(&self.vocab_size) {
            let (vocab_size, most) = (self.vocab_size, highest_vocab_size(self.width));
            return Err(DataError::FileVocabulary { path: path.into(), vocab_size, most });
        }
        Ok(())
    }
}

/// The most ids that tokens of `width` bytes can tell apart, and a device's `i32` too.
pub(super) fn highest_vocab_size(width: u32) -> u64 {
    if width == 2 { 1 << 16 } else { 1 << 31 }
}

/// Bytes of a token for a vocabulary of `vocab_size` ids.
pub(super) fn width_for(vocab_size: u64) -> u32 {
    if vocab_size <= highest_vocab_size(2) { 2 } else { 4 }
}
