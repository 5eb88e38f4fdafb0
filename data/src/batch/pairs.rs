//! Which pairs of preferences become rows.

use super::packing::{Piece, is_trained};
use crate::{DataError, TokenStream};

/// The pairs of a stream, each two pieces that begin with their documents: the chosen and the rejected one.
#[derive(Debug)]
pub(crate) struct Pairs {
    pieces: Vec<[Piece; 2]>,
    /// Pairs that are left out, for within `T` inputs one has no target that is trained.
    untrained: u64,
}

impl Pairs {
    /// The pairs of `stream`, whose documents are cut to `context_length` inputs.
    ///
    /// # Errors
    /// When `context_length` is 0, the stream holds no pairs or an odd number of documents, no pair has targets that are
    /// trained, or the stream cannot be read.
    pub(crate) fn new(stream: &dyn TokenStream, context_length: usize) -> Result<Self, DataError> {
        let documents = stream.document_count();
        if context_length == 0 {
            return Err(DataError::ZeroContext);
        }
        if !stream.holds_pairs() {
            return Err(DataError::NoPairs);
        }
        if !documents.is_multiple_of(2) {
            return Err(DataError::OddPairs { documents });
        }
        let (mut pairs, mut mask) = (Self { pieces: Vec::new(), untrained: 0 }, Vec::new());
        for first in (0..documents).step_by(2) {
            let piece = |document| {
                let tokens = stream.document(document)?;
                let inputs = (tokens.end - tokens.start).saturating_sub(1).min(context_length as u64) as usize;
                Ok::<_, DataError>(Piece { start: tokens.start, length: inputs })
            };
            let pair = [piece(first)?, piece(first + 1)?];
            let is_kept = pair.into_iter().try_fold(true, |kept, piece| {
                Ok::<_, DataError>(kept && piece.length > 0 && is_trained(stream, piece, &mut mask)?)
            })?;
            match is_kept {
                true => pairs.pieces.push(pair),
                false => pairs.untrained += 1,
            }
        }
        if pairs.pieces.is_empty() {
            return Err(DataError::NothingTrained { documents });
        }
        Ok(pairs)
    }

    /// Number of pairs that become rows.
    pub(crate) fn count(&self) -> u64 {
        self.pieces.len() as u64
    }

    /// The chosen or the rejected document, as `half` is 0 or 1, of a pair.
    pub(crate) fn piece(&self, pair: u64, half: usize) -> &[Piece] {
        &self.pieces[pair as usize][half..=half] // an index into memory
    }

    pub(crate) fn untrained(&self) -> u64 {
        self.untrained
    }

    /// The share of all positions that no document fills.
    pub(crate) fn padding(&self, context_length: usize) -> f64 {
        let filled: u64 = self.pieces.iter().flatten().map(|piece| piece.length as u64).sum();
        1.0 - filled as f64 / (2.0 * self.count() as f64 * context_length as f64)
    }
}
