//! Which documents share a row.
//!
//! Best-fit decreasing (Johnson et al., "Worst-Case Performance Bounds for Simple One-Dimensional Packing Algorithms",
//! SIAM J. Comput. 1974; for language models Ding et al., "Fewer Truncations Improve Language Modeling", ICML 2024), within
//! groups of consecutive documents: a row reads from one region of the stream, and a plan needs no more working memory
//! than a group.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::{DataError, TokenStream};

/// Documents that are packed together: enough that rows left open at a group's end do not show.
const GROUP: u64 = 1 << 14;

/// Consecutive tokens of one document: `length` inputs from `start` on, and their targets, one further.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub start: u64,
    pub length: usize,
}

/// The rows of a stream of documents, each a list of pieces.
#[derive(Debug)]
pub(crate) struct Packing {
    /// Row after row.
    pieces: Vec<Piece>,
    /// Where each row ends in `pieces`.
    row_ends: Vec<u32>,
    /// `T`.
    context_length: usize,
    /// Pieces that are in no row, for none of their targets is trained.
    untrained: u64,
}

impl Packing {
    /// Packs the documents of `stream` into rows of `context_length` inputs.
    ///
    /// # Errors
    /// When `context_length` is 0, no document has two tokens, or none a target that is trained, or the stream cannot be read.
    pub(crate) fn new(stream: &dyn TokenStream, context_length: usize) -> Result<Self, DataError> {
        if context_length == 0 {
            return Err(DataError::ZeroContext);
        }
        let mut packing = Self { pieces: Vec::new(), row_ends: Vec::new(), context_length, untrained: 0 };
        let mut mask = Vec::new();
        let documents = stream.document_count();
        for first in (0..documents).step_by(GROUP as usize) {
            let group = first..documents.min(first + GROUP);
            let mut pieces: Vec<Piece> = Vec::new();
            for document in group {
                for piece in cut(stream.document(document)?, context_length) {
                    match is_trained(stream, piece, &mut mask)? {
                        true => pieces.push(piece),
                        false => packing.untrained += 1,
                    }
                }
            }
            pieces.sort_by_key(|piece| std::cmp::Reverse(piece.length));
            packing.extend(best_fit(&pieces, context_length));
        }
        if packing.pieces.is_empty() {
            return Err(match packing.untrained {
                0 => DataError::NothingToPack { documents },
                _ => DataError::NothingTrained { documents },
            });
        }
        Ok(packing)
    }

    fn extend(&mut self, rows: Vec<Vec<Piece>>) {
        for row in rows {
            self.pieces.extend(row);
            self.row_ends.push(u32::try_from(self.pieces.len()).expect("fewer than 2^32 pieces, which take 64 GiB"));
        }
    }

    pub(crate) fn row_count(&self) -> u64 {
        self.row_ends.len() as u64
    }

    /// The pieces of a row, whose lengths add up to at most `T`.
    pub(crate) fn row(&self, row: u64) -> &[Piece] {
        let row = row as usize; // an index into memory
        let start = if row == 0 { 0 } else { self.row_ends[row - 1] };
        &self.pieces[start as usize..self.row_ends[row] as usize]
    }

    /// Pieces that were left out, for none of their targets is trained.
    pub(crate) fn untrained(&self) -> u64 {
        self.untrained
    }

    /// The share of all positions that no piece fills.
    pub(crate) fn padding(&self) -> f64 {
        let filled: u64 = self.pieces.iter().map(|piece| piece.length as u64).sum();
        1.0 - filled as f64 / (self.row_count() as f64 * self.context_length as f64)
    }
}

/// Cuts a document into pieces of at most `T` inputs. The last target of a piece is the first input of the next, so every
/// token but the document's first is a target once; a document of less than two tokens gives none.
fn cut(document: Range<u64>, context_length: usize) -> impl Iterator<Item = Piece> {
    let last = document.end.saturating_sub(1); // a target only
    (document.start..last).step_by(context_length).map(move |start| {
        let length = (last - start).min(context_length as u64) as usize;
        Piece { start, length }
    })
}

/// Whether a target of the piece is trained. `mask` is for its memory.
pub(super) fn is_trained(stream: &dyn TokenStream, piece: Piece, mask: &mut Vec<bool>) -> Result<bool, DataError> {
    if !stream.is_masked() {
        return Ok(true);
    }
    mask.resize(piece.length, false);
    stream.trained(piece.start + 1, mask)?;
    Ok(mask.contains(&true))
}

/// Puts each piece, in the order given, into the open row that it fills best, or a new one.
fn best_fit(pieces: &[Piece], context_length: usize) -> Vec<Vec<Piece>> {
    let mut rows: Vec<Vec<Piece>> = Vec::new();
    // (positions left, row) of each row with any left.
    let mut open: BTreeSet<(usize, usize)> = BTreeSet::new();
    for &piece in pieces {
        let (room, row) = match open.range((piece.length, 0)..).next() {
            Some(&tightest) => {
                open.remove(&tightest);
                tightest
            }
            None => {
                rows.push(Vec::new());
                (context_length, rows.len() - 1)
            }
        };
        rows[row].push(piece);
        if room > piece.length {
            open.insert((room - piece.length, row));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_row_that_is_filled_best() {
        let pieces = [7, 6, 4, 3, 3, 1].map(|length| Piece { start: 0, length });
        let rows: Vec<Vec<usize>> =
            best_fit(&pieces, 10).iter().map(|row| row.iter().map(|piece| piece.length).collect()).collect();
        assert_eq!(rows, [vec![7, 3], vec![6, 4], vec![3, 1]]);
    }

    #[test]
    fn pieces_of_a_document_share_one_token() {
        let pieces = |document| cut(document, 4).map(|piece| (piece.start, piece.length)).collect::<Vec<_>>();
        assert_eq!(pieces(10..20), [(10, 4), (14, 4), (18, 1)]);
        assert_eq!(pieces(10..15), [(10, 4)]);
        assert_eq!(pieces(10..12), [(10, 1)]);
        assert_eq!(pieces(10..11), []);
        assert_eq!(pieces(0..0), []);
    }
}
