//! Pieces in batches that are worth a thread's while.

use super::part::{Batch, Part};
use crate::{DataError, Piece, Split};

/// Text in a batch: enough that handing it over costs nothing beside encoding it, and little beside the memory there is.
const BATCH_BYTES: usize = 1 << 17;
/// Pieces in a batch, where they are short or already prepared.
const BATCH_PIECES: u64 = 1 << 12;

/// Numbers the pieces of a corpus, splits them into training and validation and groups them into batches.
pub(super) struct PieceBatches<'a, Pieces> {
    pub pieces: &'a mut Pieces,
    pub validation_fraction: f64,
    /// Number of the first piece that is wanted, for each split.
    pub first_wanted: [u64; 2],
    /// Whether a split has a part of the document that has not ended yet.
    pub begun: [bool; 2],
    /// Pieces drawn so far.
    pub drawn: u64,
}

impl<Pieces> PieceBatches<'_, Pieces> {
    /// The parts of a piece that are wanted. Pieces of one document may have keys of their own and so be in both splits: the last
    /// one then ends it in the other split too, as a part without text.
    fn parts_of(&mut self, piece: Piece) -> impl Iterator<Item = Part<String>> + use<Pieces> {
        let Piece { text, ends_document, key, origin, .. } = piece;
        let number = self.drawn;
        self.drawn += 1;
        let split = Split::of(key, self.validation_fraction);
        let other = split.other();
        let ends_in_other = ends_document && self.begun[other as usize];
        // Whichever split has the pieces before.
        let begins_document = self.begun == [false; 2];
        self.begun[split as usize] = true;
        if ends_document {
            self.begun = [false; 2];
        }
        let own = Part { number, split, begins_document, ends_document, origin, content: text };
        let end =
            Part { number, split: other, begins_document: false, ends_document, origin: None, content: String::new() };
        let first_wanted = self.first_wanted;
        let parts = [Some(own), ends_in_other.then_some(end)].into_iter().flatten();
        parts.filter(move |part| number >= first_wanted[part.split as usize])
    }
}

impl<Pieces: Iterator<Item = Result<Piece, DataError>>> Iterator for PieceBatches<'_, Pieces> {
    type Item = Result<Batch<String>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = Batch { parts: Vec::new(), bytes_read: 0 };
        let (mut bytes, first) = (0, self.drawn);
        while bytes < BATCH_BYTES && self.drawn - first < BATCH_PIECES {
            let piece = match self.pieces.next() {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            };
            batch.bytes_read = piece.bytes_read;
            for part in self.parts_of(piece) {
                bytes += part.content.len();
                batch.parts.push(part);
            }
        }
        (self.drawn > first).then_some(Ok(batch))
    }
}
