//! The rows of one stream: windows of it, or whole documents packed together.

use std::sync::Arc;

use super::Row;
use super::packing::Packing;
use crate::order::Epochs;
use crate::order::Sampler;
use crate::{DataError, TokenStream};

/// The rows of one stream, drawn in a random order, epoch after epoch. A row is a pure function of its sample
/// number, which counts from the start of the run and never wraps.
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
}

impl Rows {
    /// Windows of `context_length` (`T`) inputs over the stream without regard to documents, `stride` tokens apart; 0
    /// means `T`, where the windows of an epoch do not overlap. At 1 every offset is a window and an epoch is `T` times
    /// as long: a small text then gives more varied batches.
    ///
    /// # Errors
    /// When `context_length` is 0, or the stream has not `T + 1` tokens.
    pub fn windows(
        stream: Arc<dyn TokenStream>,
        context_length: usize,
        stride: usize,
        seed: u64,
    ) -> Result<Self, DataError> {
        let stride = if stride == 0 { context_length } else { stride };
        let sampler = Sampler::new(stream.token_count(), context_length as u64, stride as u64, seed)?;
        Ok(Self { stream, context_length, order: RowOrder::Windows(sampler) })
    }

    /// Whole documents side by side in rows of `context_length` (`T`) inputs. Every token but the first of each document
    /// is a target exactly once an epoch, and none is predicted from another document. Documents of more than `T + 1`
    /// tokens are cut. What documents share a row is computed here, once, and held: 16 bytes for each document and each
    /// `T` tokens of a longer one, and 4 for each row.
    ///
    /// # Errors
    /// When `context_length` is 0, or no document has two tokens.
    pub fn packed(stream: Arc<dyn TokenStream>, context_length: usize, seed: u64) -> Result<Self, DataError> {
        let packing = Packing::new(&*stream, context_length)?;
        let epochs = Epochs::new(packing.row_count(), seed);
        Ok(Self { stream, context_length, order: RowOrder::Packed(Arc::new(packing), epochs) })
    }

    /// Rows in an epoch: sample `s` belongs to epoch `s / per_epoch`.
    pub fn per_epoch(&self) -> u64 {
        match &self.order {
            RowOrder::Windows(sampler) => sampler.windows_per_epoch(),
            RowOrder::Packed(_, epochs) => epochs.length(),
        }
    }

    /// The share of an epoch's positions that hold no token, from 0 to 1.
    pub fn padding(&self) -> f64 {
        match &self.order {
            RowOrder::Windows(_) => 0.0,
            RowOrder::Packed(packing, _) => packing.padding(),
        }
    }

    pub(crate) fn token_count(&self) -> u64 {
        self.stream.token_count()
    }

    pub(crate) fn context_length(&self) -> usize {
        self.context_length
    }

    pub(crate) fn are_packed(&self) -> bool {
        matches!(self.order, RowOrder::Packed(..))
    }

    /// How many rows cover the stream once, without overlap.
    pub(crate) fn count(&self) -> u64 {
        match &self.order {
            RowOrder::Windows(_) => self.targets() / self.context_length as u64,
            RowOrder::Packed(packing, _) => packing.row_count(),
        }
    }

    /// As [`Rows::count`], with one more where the stream's last tokens do not fill a row.
    pub(crate) fn count_with_tail(&self) -> u64 {
        match &self.order {
            RowOrder::Windows(_) => self.targets().div_ceil(self.context_length as u64),
            RowOrder::Packed(packing, _) => packing.row_count(),
        }
    }

    /// Fills `row` with sample number `sample`.
    pub(crate) fn sample(&self, sample: u64, row: Row) -> Result<(), DataError> {
        let place = match &self.order {
            RowOrder::Windows(sampler) => sampler.start_of(sample),
            RowOrder::Packed(_, epochs) => epochs.at(sample).1,
        };
        self.fill(place, row)
    }

    /// Fills `row` with the one of number `index` among `of` (at most [`Rows::count`]) that are spaced evenly over the
    /// stream and do not overlap.
    pub(crate) fn spaced(&self, index: u64, of: u64, row: Row) -> Result<(), DataError> {
        let places = match &self.order {
            RowOrder::Windows(_) => self.targets(),
            RowOrder::Packed(packing, _) => packing.row_count(),
        };
        self.fill((u128::from(index) * u128::from(places) / u128::from(of)) as u64, row)
    }

    /// Fills `row` with number `index` of the [`Rows::count_with_tail`] rows that cover the stream.
    pub(crate) fn in_order(&self, index: u64, mut row: Row) -> Result<(), DataError> {
        if self.are_packed() {
            return self.fill(index, row);
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

    fn fill(&self, place: u64, mut row: Row) -> Result<(), DataError> {
        let RowOrder::Packed(packing, _) = &self.order else {
            row.mark(0, self.context_length, 0);
            return self.copy(place, row.inputs, row.targets);
        };
        let pieces = packing.row(place);
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

    /// Inputs from token `start` on, and as many targets, one further.
    fn copy(&self, start: u64, inputs: &mut [i32], targets: &mut [i32]) -> Result<(), DataError> {
        self.stream.copy(start, inputs)?;
        self.stream.copy(start + 1, targets)
    }
}
