//! Windows of the stream side by side, as a model takes them.

use crate::sampler::Sampler;
use crate::{DataError, Tokens};

/// A target that is not counted in the loss. None arise from a plain stream of text.
pub const IGNORED: i32 = -1;

/// Inputs and targets of one forward pass, both `[B, T]` in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Token ids, `[B, T]`.
    pub inputs: Vec<i32>,
    /// The token after each input, or [`IGNORED`], `[B, T]`.
    pub targets: Vec<i32>,
    /// `B`, the number of windows.
    pub rows: usize,
    /// `T`, the positions in each.
    pub time: usize,
}

impl Batch {
    /// Number of targets that count in the loss.
    pub fn counted(&self) -> usize {
        self.targets.iter().filter(|&&target| target != IGNORED).count()
    }

    /// The same windows in batches of at most `rows`, in order.
    pub fn split(&self, rows: usize) -> impl Iterator<Item = Self> {
        let tokens = rows.max(1) * self.time;
        self.inputs.chunks(tokens).zip(self.targets.chunks(tokens)).map(|(inputs, targets)| Self {
            inputs: inputs.to_vec(),
            targets: targets.to_vec(),
            rows: inputs.len() / self.time,
            time: self.time,
        })
    }
}

/// All batches of one stream, by position. Calls are pure: the same arguments give the same batch.
#[derive(Debug, Clone)]
pub struct Batches {
    tokens: Tokens,
    /// `T`.
    context_length: usize,
    sampler: Sampler,
}

impl Batches {
    /// Batches of windows of `context_length` (`T`) inputs, in the random order that `seed` selects. Within an epoch
    /// the windows do not overlap.
    ///
    /// # Errors
    /// When `context_length` is 0, or `tokens` has not `T + 1` tokens.
    pub fn new(tokens: Tokens, context_length: usize, seed: u64) -> Result<Self, DataError> {
        Self::with_stride(tokens, context_length, context_length, seed)
    }

    /// As [`Batches::new`] with windows that start `stride` tokens apart; 0 means `T`. At 1 every offset is a window
    /// and an epoch is `T` times as long: a small text then gives more varied batches.
    ///
    /// # Errors
    /// As [`Batches::new`].
    pub fn with_stride(tokens: Tokens, context_length: usize, stride: usize, seed: u64) -> Result<Self, DataError> {
        let stride = if stride == 0 { context_length } else { stride };
        let sampler = Sampler::new(tokens.len() as u64, context_length as u64, stride as u64, seed)?;
        Ok(Self { tokens, context_length, sampler })
    }

    /// Samples in an epoch: sample `s` belongs to epoch `s / windows_per_epoch`.
    pub fn windows_per_epoch(&self) -> u64 {
        self.sampler.windows_per_epoch()
    }

    /// The training batch of the samples `first_sample..first_sample + rows`. Samples are counted from the
    /// start of the run and never wrap; a micro-batch or a replica's share is a smaller range of them.
    pub fn batch(&self, first_sample: u64, rows: usize) -> Batch {
        // A start lies inside the stream, so it fits a usize.
        self.windows((0..rows).map(|row| self.sampler.start_of(first_sample + row as u64) as usize))
    }

    /// At most `batches` batches of `rows` windows, evenly spaced over the stream without overlap and the
    /// same at every call. A stream too short for that gives fewer full batches, or, when it has not even
    /// `rows` windows, one batch of those it has.
    ///
    /// # Panics
    /// When `rows` or `batches` is 0.
    pub fn evaluation(&self, rows: usize, batches: usize) -> impl ExactSizeIterator<Item = Batch> + '_ {
        assert!(rows > 0 && batches > 0, "an evaluation of {batches} batches of {rows} rows evaluates nothing");
        let targets = self.tokens.len() - 1;
        let available = targets / self.context_length;
        let rows = rows.min(available);
        let batches = batches.min(available / rows);
        // The spacing is at least T, because `windows * T <= targets`; u64 because the product may pass 2^32.
        let windows = rows * batches;
        let start_of = move |window: usize| (window as u64 * targets as u64 / windows as u64) as usize;
        (0..batches).map(move |batch| self.windows((batch * rows..(batch + 1) * rows).map(start_of)))
    }

    fn windows(&self, starts: impl ExactSizeIterator<Item = usize>) -> Batch {
        let (rows, time) = (starts.len(), self.context_length);
        let mut inputs = Vec::with_capacity(rows * time);
        let mut targets = Vec::with_capacity(rows * time);
        for start in starts {
            let window = &self.tokens.as_slice()[start..=start + time];
            // `Tokens` holds no id above i32::MAX.
            inputs.extend(window[..time].iter().map(|&id| id as i32));
            targets.extend(window[1..].iter().map(|&id| id as i32));
        }
        Batch { inputs, targets, rows, time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_keeps_every_window_in_order() {
        let batch = Batch { inputs: (0..15).collect(), targets: (1..16).collect(), rows: 5, time: 3 };
        let parts: Vec<Batch> = batch.split(2).collect();
        assert_eq!(parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [2, 2, 1]);
        assert_eq!(parts.iter().flat_map(|part| part.inputs.clone()).collect::<Vec<_>>(), batch.inputs);
        assert_eq!(parts.iter().flat_map(|part| part.targets.clone()).collect::<Vec<_>>(), batch.targets);
    }
}
