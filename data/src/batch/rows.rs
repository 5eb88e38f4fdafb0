//! The rows of one stream: windows of it, whole documents packed together, or pairs of documents.

use std::sync::Arc;

use super::packing::{Packing, Piece};
use super::pairs::Pairs;
use super::{IGNORED, Row};
use crate::order::Epochs;
use crate::order::Sampler;
use crate::{DataError, TokenStream};

/// The rows of one stream, drawn in a random order, epoch after epoch. A row is a pure function of its sample
/// number, which counts from the start of the run and never wraps. Where the stream says that a token is not trained, the
/// target that it is counts for nothing ([`IGNORED`]).
#[derive(Debug, Clone)]
pub struct Rows {
    stream: Arc<dyn TokenStream>,
    /// `T`.
    context_length: usize,
    order: RowOrder,
}

#[derive(Debug, Clone)]
enum RowOrder {
    /// Places are tokens of the stream.
    Windows(Sampler),
    /// Places are rows of the packing.
    Packed(Arc<Packing>, Epochs),
    /// Places are pairs of documents.
    Pairs(Arc<Pairs>, Epochs),
}

impl Rows {
    /// Windows of `context_length` (`T`) inputs over the stream without regard to documents, `stride` tokens apart; 0
    /// means `T`, where the windows of an epoch do not overlap. At 1 every offset is a window and an epoch is `T` times
    /// as long: a small text then gives more varied batches.
    ///
    /// # Errors
    /// When `context_length` is 0, or the stream has not `T + 1` tokens or holds pairs of preferences.
    pub fn windows(
        stream: Arc<dyn TokenStream>,
        context_length: usize,
        stride: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        refuse_pairs(&*stream)?;
        let stride = if stride == 0 { context_length } else { stride };
        let sampler = Sampler::new(stream.token_count(), context_length as u64, stride as u64, seed)?;
        Ok(Self { stream, context_length, order: RowOrder::Windows(sampler) })
    }

    /// Whole documents side by side in rows of `context_length` (`T`) inputs. Every token but the first of each document
    /// is a target exactly once an epoch, and none is predicted from another document. Documents of more than `T + 1`
    /// tokens are cut. What documents share a row is computed here, once, and held: 16 bytes for each document and each
    /// `T` tokens of a longer one, and 4 for each row. What is cut off and has no target that is trained is left out
    /// ([`Rows::untrained`]).
    ///
    /// # Errors
    /// When `context_length` is 0, no document has two tokens or a target that is trained, or the stream holds pairs of
    /// preferences.
    pub fn packed(stream: Arc<dyn TokenStream>, context_length: usize, seed: u64) -> Result<Self, DataError> {
        refuse_pairs(&*stream)?;
        let packing = Packing::new(&*stream, context_length)?;
        let epochs = Epochs::new(packing.row_count(), seed);
        Ok(Self { stream, context_length, order: RowOrder::Packed(Arc::new(packing), epochs) })
    }

    /// Pairs of preferences: a sample is two rows, one after the other, the chosen document and the rejected one. Each begins at
    /// position 0, is cut to `context_length` (`T`) inputs and, where it is shorter, padded with what counts for nothing and is
    /// marked as a document of its own. A pair of which one has no target that is trained within `T` inputs is left out
    /// ([`Rows::untrained`]). 32 bytes are held for each pair.
    ///
    /// # Errors
    /// When `context_length` is 0, the stream holds no pairs ([`TokenStream::holds_pairs`]) or none that is trained.
    pub fn pairs(stream: Arc<dyn TokenStream>, context_length: usize, seed: u64) -> Result<Self, DataError> {
        let pairs = Pairs::new(&*stream, context_length)?;
        let epochs = Epochs::new(pairs.count(), seed);
        Ok(Self { stream, context_length, order: RowOrder::Pairs(Arc::new(pairs), epochs) })
    }

    /// Samples in an epoch: sample `s` belongs to epoch `s / per_epoch`.
    pub fn per_epoch(&self) -> u64 {
        match &self.order {
            RowOrder::Windows(sampler) => sampler.windows_per_epoch(),
            RowOrder::Packed(_, epochs) | RowOrder::Pairs(_, epochs) => epochs.length(),
        }
    }

    /// Rows that a sample is: two of pairs, else one.
    pub fn rows_per_sample(&self) -> usize {
        match &self.order {
            RowOrder::Pairs(..) => 2,
            RowOrder::Windows(_) | RowOrder::Packed(..) => 1,
        }
    }

    /// How many pieces of documents, or pairs, are in no row, for none of their targets is trained.
    pub fn untrained(&self) -> u64 {
        match &self.order {
            RowOrder::Windows(_) => 0,
            RowOrder::Packed(packing, _) => packing.untrained(),
            RowOrder::Pairs(pairs, _) => pairs.untrained(),
        }
    }

    /// The share of an epoch's positions that hold no token, from 0 to 1.
    pub fn padding(&self) -> f64 {
        match &self.order {
            RowOrder::Windows(_) => 0.0,
            RowOrder::Packed(packing, _) => packing.padding(),
            RowOrder::Pairs(pairs, _) => pairs.padding(self.context_length),
        }
    }

    pub(crate) fn are_windows_of_masked(&self) -> bool {
        !self.are_packed() && self.stream.is_masked()
    }

    pub(crate) fn token_count(&self) -> u64 {
        self.stream.token_count()
    }

    pub(crate) fn context_length(&self) -> usize {
        self.context_length
    }

    pub(crate) fn are_packed(&self) -> bool {
        !matches!(self.order, RowOrder::Windows(_))
    }

    /// How many samples cover the stream once, without overlap.
    pub(crate) fn count(&self) -> u64 {
        match &self.order {
            RowOrder::Windows(_) => self.targets() / self.context_length as u64,
            RowOrder::Packed(_, epochs) | RowOrder::Pairs(_, epochs) => epochs.length(),
        }
    }

    /// As [`Rows::count`], with one more where the stream's last tokens do not fill a row.
    pub(crate) fn count_with_tail(&self) -> u64 {
        match &self.order {
            RowOrder::Windows(_) => self.targets().div_ceil(self.context_length as u64),
            RowOrder::Packed(..) | RowOrder::Pairs(..) => self.count(),
        }
    }

    /// Fills `row` with row `half`, below [`Rows::rows_per_sample`], of sample number `sample`.
    pub(crate) fn sample(&self, sample: u64, half: usize, row: Row) -> Result<(), DataError> {
        let place = match &self.order {
            RowOrder::Windows(sampler) => sampler.start_of(sample),
            RowOrder::Packed(_, epochs) | RowOrder::Pairs(_, epochs) => epochs.at(sample).1,
        };
        self.fill(place, half, row)
    }

    /// Fills `row` with row `half` of sample number `index` among `of` (at most [`Rows::count`]) that are spaced evenly over the
    /// stream and do not overlap.
    pub(crate) fn spaced(&self, index: u64, of: u64, half: usize, row: Row) -> Result<(), DataError> {
        let places = match &self.order {
            RowOrder::Windows(_) => self.targets(),
            RowOrder::Packed(..) | RowOrder::Pairs(..) => self.count(),
        };
        self.fill((u128::from(index) * u128::from(places) / u128::from(of)) as u64, half, row)
    }

    /// Fills `row` with row `half` of number `index` of the [`Rows::count_with_tail`] samples that cover the stream.
    pub(crate) fn in_order(&self, index: u64, half: usize, mut row: Row) -> Result<(), DataError> {
        if self.are_packed() {
            return self.fill(index, half, row);
        }
        let start = index * self.context_length as u64;
        let length = (self.targets() - start).min(self.context_length as u64) as usize;
        row.mark(0, self.context_length, 0);
        self.copy(start, &mut row.inputs[..length], &mut row.targets[..length])?;
        row.leave_out_from(length);
        Ok(())
    }

    fn targets(&self) -> u64 {
        self.stream.token_count() - 1
    }

    fn fill(&self, place: u64, half: usize, mut row: Row) -> Result<(), DataError> {
        match &self.order {
            RowOrder::Windows(_) => {
                row.mark(0, self.context_length, 0);
                self.copy(place, row.inputs, row.targets)
            }
            RowOrder::Packed(packing, _) => self.fill_with(packing.row(place), row),
            RowOrder::Pairs(pairs, _) => self.fill_with(pairs.piece(place, half), row),
        }
    }

    /// Fills `row` with pieces of documents, and what is left with padding.
    fn fill_with(&self, pieces: &[Piece], mut row: Row) -> Result<(), DataError> {
        let mut at = 0;
        for (document, piece) in pieces.iter().enumerate() {
            let end = at + piece.length;
            self.copy(piece.start, &mut row.inputs[at..end], &mut row.targets[at..end])?;
            row.mark(at, piece.length, document);
            at = end;
        }
        row.leave_out_from(at);
        // Padding is a document that nothing else attends to.
        row.mark(at, self.context_length - at, pieces.len());
        Ok(())
    }

    /// Inputs from token `start` on, and as many targets, one further, of which those that are not trained are ignored.
    fn copy(&self, start: u64, inputs: &mut [i32], targets: &mut [i32]) -> Result<(), DataError> {
        self.stream.copy(start, inputs)?;
        self.stream.copy(start + 1, targets)?;
        if self.stream.is_masked() {
            let mut trained = vec![true; targets.len()];
            self.stream.trained(start + 1, &mut trained)?;
            let untrained = targets.iter_mut().zip(trained).filter(|(_, trained)| !trained);
            untrained.for_each(|(target, _)| *target = IGNORED);
        }
        Ok(())
    }
}

/// What is rejected is nothing to learn to say.
fn refuse_pairs(stream: &dyn TokenStream) -> Result<(), DataError> {
    if stream.holds_pairs() { Err(DataError::PairsAsText) } else { Ok(()) }
}
