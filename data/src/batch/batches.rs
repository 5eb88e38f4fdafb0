//! All batches of a run, by position.

use std::ops::Range;

use crate::order::Mixture;
use crate::{Batch, DataError, Rows};

/// All batches of one stream or of a mixture of several, by position. Calls are pure: the same arguments give the same
/// batch.
#[derive(Debug, Clone)]
pub struct Batches {
    parts: Vec<Rows>,
    mixture: Mixture,
}

impl Batches {
    /// Batches of one stream.
    pub fn new(rows: Rows) -> Self {
        Self { parts: vec![rows], mixture: Mixture::of_one() }
    }

    /// Batches of several streams, each with its weight: of any sufficiently long run of samples the stream `i` gives the
    /// share `weight[i] / sum of weights`, spread evenly, and each stream goes through its epochs at its own pace.
    ///
    /// # Errors
    /// When there are no streams, their `context_length`s differ, a weight is not a positive number, or one is less than
    /// 1/65536 of the sum.
    pub fn mixed(parts: Vec<(f64, Rows)>) -> Result<Self, DataError> {
        let (weights, parts): (Vec<f64>, Vec<Rows>) = parts.into_iter().unzip();
        let mixture = Mixture::new(&weights)?;
        let first = parts[0].context_length(); // a mixture of nothing was refused
        match parts.iter().map(Rows::context_length).find(|&other| other != first) {
            Some(other) => Err(DataError::MixedContext { first, other }),
            None => Ok(Self { parts, mixture }),
        }
    }

    /// Number of tokens of all streams together.
    pub fn token_count(&self) -> u64 {
        self.parts.iter().map(Rows::token_count).sum()
    }

    /// The batch of the given samples. Samples are counted from the start of the run and never wrap; a micro-batch or a
    /// replica's share is a smaller range of them.
    ///
    /// # Errors
    /// When the stream cannot be read.
    pub fn batch(&self, samples: Range<u64>) -> Result<Batch, DataError> {
        let mut batch = Batch::default();
        self.fill(samples, &mut batch)?;
        Ok(batch)
    }

    /// As [`Batches::batch`], in the memory of an earlier batch, whatever it holds.
    ///
    /// # Errors
    /// When the stream cannot be read; `batch` then holds nothing of use.
    pub fn fill(&self, samples: Range<u64>, batch: &mut Batch) -> Result<(), DataError> {
        let rows = (samples.end - samples.start) as usize;
        // One packed stream is enough for every row to say its documents.
        batch.reshape(rows, self.parts[0].context_length(), self.parts.iter().any(Rows::are_packed));
        for (row, sample) in samples.enumerate() {
            let (part, sample) = self.mixture.at(sample);
            self.parts[part].sample(sample, batch.row(row))?;
        }
        Ok(())
    }

    /// At most `batches` batches of `rows` rows, evenly spaced over the stream without overlap and the
    /// same at every call. A stream with no more rows than that gives all of them, the tail that fills no row included,
    /// whatever `rows` is; its last batch is filled up with rows that do not count. Of a mixture: as many from each stream,
    /// stream after stream.
    ///
    /// # Errors
    /// When the stream cannot be read.
    ///
    /// # Panics
    /// When `rows` or `batches` is 0.
    pub fn evaluation(&self, rows: usize, batches: usize) -> Result<Vec<Batch>, DataError> {
        assert!(rows > 0 && batches > 0, "an evaluation of {batches} batches of {rows} rows evaluates nothing");
        let mut evaluation = Vec::new();
        for part in &self.parts {
            let wanted = rows as u64 * batches as u64;
            let is_all = wanted >= part.count_with_tail();
            let count = if is_all { part.count_with_tail() } else { wanted.min(part.count()) };
            // One batch of a short stream is no larger than it.
            let rows = count.min(rows as u64);
            for first in (0..count).step_by(rows as usize) {
                let mut batch = Batch::default();
                batch.reshape(rows as usize, part.context_length(), part.are_packed());
                for row in 0..rows {
                    let (index, row) = (first + row, batch.row(row as usize));
                    match index < count {
                        true if is_all => part.in_order(index, row)?,
                        true => part.spaced(index, count, row)?,
                        false => row.leave_out(),
                    }
                }
                evaluation.push(batch);
            }
        }
        Ok(evaluation)
    }
}
