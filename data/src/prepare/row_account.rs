//! What becomes of the rows of a corpus, in their order.

use super::part::Part;
use super::part_tokens::{PartRow, PartTokens};
use crate::{DataError, FileFaults};

/// What is known of the rows until here.
pub(super) struct RowAccount<'a> {
    /// Whether they are pairs of preferences; none as long as there is none.
    pub pairs: Option<bool>,
    /// Those that were left out.
    pub faults: &'a mut FileFaults,
}

impl RowAccount<'_> {
    /// Takes note of a piece, if it is a row.
    ///
    /// # Errors
    /// When it is a preference, and those before were not, or the other way round.
    pub(super) fn note(&mut self, part: &Part<PartTokens>) -> Result<(), DataError> {
        match &part.content.row {
            Some(PartRow::LeftOut(fault)) => self.faults.add(fault.clone()),
            Some(PartRow::Kept { is_pair, .. }) if *self.pairs.get_or_insert(*is_pair) != *is_pair => {
                let Some(origin) = part.origin.clone() else { return Ok(()) };
                return Err(DataError::MixedRows {
                    path: origin.path.to_path_buf(),
                    place: origin.place,
                    is_pair: *is_pair,
                });
            }
            Some(PartRow::Kept { .. }) | None => {}
        }
        Ok(())
    }

    /// The error of a corpus of which nothing is left.
    pub(super) fn nothing(&self, files: usize) -> DataError {
        match self.faults.first().first() {
            Some(fault) => DataError::NoRows { left_out: self.faults.total(), first: fault.to_string() },
            None => DataError::NoDocuments { files },
        }
    }
}
