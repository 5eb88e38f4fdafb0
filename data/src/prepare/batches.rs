//! Pieces in batches that are worth a thread's while.

use super::encode::{Batch, Part};
use super::piece::Piece;
use crate::{DataError, Split};

/// Text in a batch: enough that handing it over costs nothing beside encoding it, and little beside the memory there is.
const BATCH_BYTES: usize = 1 << 17;
/// Pieces in a batch, where they are short or already prepared.
const BATCH_PIECES: usize = 1 << 12;

/// Groups the pieces of a corpus into batches and counts them.
pub(super) struct PieceBatches<'a, Pieces, SplitOf> {
    pub pieces: &'a mut Pieces,
    /// The part of the corpus that a piece, given with its number, is wanted for.
    pub split_of: SplitOf,
    /// Pieces drawn so far.
    pub drawn: u64,
}

impl<Pieces, SplitOf> Iterator for PieceBatches<'_, Pieces, SplitOf>
where
    Pieces: Iterator<Item = Result<Piece, DataError>>,
    SplitOf: Fn(u64, &Piece) -> Option<Split>,
{
    type Item = Result<Batch<String>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch { parts: Vec::new(), bytes_read: 0 };
        let (mut bytes, first) = (0, self.drawn);
        while bytes < BATCH_BYTES && self.drawn - first < BATCH_PIECES as u64 {
            let piece = match self.pieces.next() {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            };
            let number = self.drawn;
            self.drawn += 1;
            batch.bytes_read = piece.bytes_read;
            if let Some(split) = (self.split_of)(number, &piece) {
                bytes += piece.text.len();
                let Piece { text: content, ends_document, .. } = piece;
                batch.parts.push(Part { number, split, ends_document, content });
            }
        }
        (self.drawn > first).then_some(Ok(batch))
    }
}
