//! The rows of a stream as a dataset of Burn's.

use burn_dataset::{Dataset, DatasetError};

use crate::{Batch, Rows};

/// The rows that cover a stream once, in the stream's order, for Burn's own data loaders, which shuffle them. An item is
/// a batch of one sample: one row, or of pairs two.
#[derive(Debug, Clone)]
pub struct TokenDataset(Rows);

impl TokenDataset {
    /// The dataset of a stream's rows; their random order and stride play no part.
    pub fn new(rows: Rows) -> Self {
        Self(rows)
    }
}

impl Dataset<Batch> for TokenDataset {
    fn get(&self, index: usize) -> Result<Batch, DatasetError> {
        assert!(index < self.len(), "row {index} of {}", self.len());
        let mut item = Batch::default();
        let rows = self.0.rows_per_sample();
        item.reshape(rows, self.0.context_length(), self.0.are_packed());
        for half in 0..rows {
            self.0.in_order(index as u64, half, item.row(half)).map_err(DatasetError::new)?;
        }
        Ok(item)
    }

    fn len(&self) -> usize {
        self.0.count() as usize
    }
}
