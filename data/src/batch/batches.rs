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
    /// When there are no streams, their `context_length`s differ, some are of pairs and others not, a weight is not a positive number, or one is less than
    /// 1/65536 of the sum.
    pub fn mixed(parts: Vec<(f64, Rows)>) -> Result<Self, DataError> {
        let (weights, parts): (Vec<f64>, Vec<Rows>) = parts.into_iter().unzip();
        let mixture = Mixture::new(&weights)?;
        let first = parts[0].context_length(); // a mixture of nothing was refused
        if parts.iter().any(|part| part.rows_per_sample() != parts[0].rows_per_sample()) {
            return Err(DataError::MixedPairs);
        }
        match parts.iter().map(Rows::context_length).find(|&other| other != first) {
            Some(other) => Err(DataError::MixedContext { first, other }),
            None => Ok(Self { parts, mixture }),
        }
    }

    /// Number of tokens of all streams together.
    pub fn token_count(&self) -> u64 {
        self.parts.iter().map(Rows::token_count).sum()
    }

    /// Rows that a sample is: two of pairs, else one.
    pub fn rows_per_sample(&self) -> usize {
        self.parts[0].rows_per_sample()
    }

    /// Whether rows are windows of a stream that says which tokens are trained: they begin and end anywhere in a document, as in
    /// the middle of a chat.
    pub fn are_windows_of_masked(&self) -> bool {
        self.parts.iter().any(Rows::are_windows_of_masked)
    }

    /// How many pieces of documents, or pairs, are in no row, for none of their targets is trained.
    pub fn untrained(&self) -> u64 {
        self.parts.iter().map(Rows::untrained).sum()
    }

    /// The batch of the given samples: of pairs two rows for each, the chosen one and the rejected, else one. Samples are counted from the start of the run and never wrap; a micro-batch or a
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
        let each = self.rows_per_sample();
        let rows = (samples.end - samples.start) as usize * each;
        // One packed stream is enough for every row to say its documents.
        batch.reshape(rows, self.parts[0].context_length(), self.parts.iter().any(Rows::are_packed));
        for (index, sample) in samples.enumerate() {
            let (part, sample) = self.mixture.at(sample);
            for half in 0..each {
                self.parts[part].sample(sample, half, batch.row(index * each + half))?;
            }
        }
        Ok(())
    }

    /// At most `batches` batches of `rows` samples (of pairs twice as many rows), evenly spaced over the stream without overlap and the
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
        let each = self.rows_per_sample();
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
                batch.reshape(rows as usize * each, part.context_length(), part.are_packed());
                for row in 0..rows as usize * each {
                    let (index, half, row) = (first + (row / each) as u64, row % each, batch.row(row));
                    match index < count {
                        true if is_all => part.in_order(index, half, row)?,
                        true => part.spaced(index, count, half, row)?,
                        false => row.leave_out(),
                    }
                }
                evaluation.push(batch);
            }
        }
        Ok(evaluation)
    }
}
