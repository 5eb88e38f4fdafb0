//! Which window of the stream a sample is: a pure function of its number.

use super::Epochs;
use crate::DataError;

/// Numbers the windows of a stream in a random order, epoch after epoch, for ever.
///
/// A window is `T + 1` tokens: `T` inputs and the targets, which are the inputs shifted by one. Within an
/// epoch the windows stand at one stride, and all are shifted by a phase that the epoch draws, so that the boundaries
/// between windows move. At stride `T` no target is seen twice in an epoch; at stride 1 every offset is a window, as
/// in nanoGPT. The windows that a phase leaves out at either end of the stream are reached by other epochs' phases.
///
/// The sample number is the whole state, the same however the samples are dealt out to replicas and micro-batches.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    stride: u64,
    windows: Epochs,
    /// How many phases there are; the greatest places the last window at the very end of the stream.
    phases: u64,
}

impl Sampler {
    /// The sampler of a stream of `tokens` tokens in windows of `context_length` (`T`) inputs, `stride` (at least 1)
    /// tokens apart.
    ///
    /// # Errors
    /// When `context_length` is 0 or the stream is shorter than one window.
    pub(crate) fn new(tokens: u64, context_length: u64, stride: u64, seed: u64) -> Result<Self, DataError> {
        if context_length == 0 {
            return Err(DataError::ZeroContext);
        }
        if tokens <= context_length {
            return Err(DataError::TooShort { tokens, needed: context_length + 1 });
        }
        // Leaves room for any phase below the stride, in every epoch alike; a stream of fewer than two windows keeps
        // its one window and as many phases as are left.
        let windows_per_epoch = ((tokens - context_length) / stride).max(1);
        let phases = tokens - context_length - (windows_per_epoch - 1) * stride;
        Ok(Self { stride, windows: Epochs::new(windows_per_epoch, seed), phases })
    }

    /// Samples in an epoch, the same in each.
    pub(crate) fn windows_per_epoch(&self) -> u64 {
        self.windows.length()
    }

    /// Index in the stream of the first token of sample number `sample`.
    pub(crate) fn start_of(&self, sample: u64) -> u64 {
        let (epoch, window) = self.windows.at(sample);
        self.phase(epoch) + self.stride * window
    }

    fn phase(&self, epoch: u64) -> u64 {
        self.windows.draw(epoch, self.phases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn epoch_of(sampler: &Sampler, epoch: u64) -> BTreeSet<u64> {
        let first = epoch * sampler.windows_per_epoch();
        (first..first + sampler.windows_per_epoch()).map(|sample| sampler.start_of(sample)).collect()
    }

    #[test]
    fn every_epoch_tiles_the_stream_without_repeats() {
        for (tokens, t) in [(2, 1), (9, 8), (16, 8), (17, 8), (25, 8), (1_000, 1), (1_000, 7), (100_003, 64)] {
            let sampler = Sampler::new(tokens, t, t, 3).unwrap();
            for epoch in [0, 1, 2, 1_000_000] {
                let starts = epoch_of(&sampler, epoch);
                assert_eq!(starts.len() as u64, sampler.windows_per_epoch());
                let first = *starts.first().unwrap();
                let tiles: BTreeSet<u64> = (0..sampler.windows_per_epoch()).map(|w| first + w * t).collect();
                assert_eq!(starts, tiles, "{tokens} tokens, T = {t}, epoch {epoch}");
                assert!(starts.last().unwrap() + t < tokens, "a window ends past the stream");
            }
            // What an epoch leaves out is less than two windows.
            assert!(tokens - sampler.windows_per_epoch() * t < 2 * t + 1);
        }
    }

    #[test]
    fn other_strides_overlap_or_skip() {
        let starts = |tokens: u64, t: u64, stride: u64| epoch_of(&Sampler::new(tokens, t, stride, 7).unwrap(), 0);
        assert_eq!(starts(20, 8, 1), (0..12).collect());
        for (tokens, t, stride) in [(100, 8, 3), (100, 8, 20), (12, 8, 20)] {
            let starts = starts(tokens, t, stride);
            let first = *starts.first().unwrap();
            assert!(starts.iter().enumerate().all(|(window, start)| *start == first + window as u64 * stride));
            assert!(starts.last().unwrap() + t < tokens, "a window ends past the stream");
        }
    }

    #[test]
    fn phases_move_and_reach_both_ends_of_the_stream() {
        let (tokens, t) = (103, 10);
        let sampler = Sampler::new(tokens, t, t, 5).unwrap();
        let firsts: Vec<u64> = (0..500).map(|epoch| *epoch_of(&sampler, epoch).first().unwrap()).collect();
        assert_eq!(firsts.iter().collect::<BTreeSet<_>>().len() as u64, sampler.phases);
        let last_target = (0..500).map(|epoch| epoch_of(&sampler, epoch).last().unwrap() + t).max();
        assert_eq!((firsts.iter().min(), last_target), (Some(&0), Some(tokens - 1)));
    }

    #[test]
    fn epochs_and_seeds_have_their_own_order() {
        let order = |seed: u64, epoch: u64| -> Vec<u64> {
            let sampler = Sampler::new(10_000, 10, 10, seed).unwrap();
            let phase = sampler.phase(epoch);
            let first = epoch * sampler.windows_per_epoch();
            (first..first + sampler.windows_per_epoch()).map(|s| (sampler.start_of(s) - phase) / 10).collect()
        };
        assert_ne!(order(1, 0), order(1, 1));
        assert_ne!(order(1, 0), order(2, 0));
        assert_eq!(order(1, 1), order(1, 1));
    }

    /// The order is part of the state of every saved run: where these numbers change, no run resumes.
    #[test]
    fn order_stays_as_it_was() {
        let sampler = Sampler::new(1_003_854, 256, 256, 1337).unwrap();
        assert_eq!(sampler.windows_per_epoch(), 3_920);
        let starts = [0, 1, 2, 3_919, 3_920, 1 << 40].map(|sample| sampler.start_of(sample));
        assert_eq!(starts, [29_447, 941_063, 107_783, 514_311, 171_742, 510_625]);
    }

    #[test]
    fn a_stream_of_one_window_always_gives_that_window() {
        let sampler = Sampler::new(9, 8, 8, 11).unwrap();
        assert_eq!(sampler.windows_per_epoch(), 1);
        assert!((0..100).all(|sample| sampler.start_of(sample) == 0));
    }

    #[test]
    fn refuses_a_stream_shorter_than_a_window() {
        let error = Sampler::new(8, 8, 8, 0).unwrap_err();
        assert!(matches!(error, DataError::TooShort { tokens: 8, needed: 9 }));
        assert!(error.to_string().contains("has 8 tokens") && error.to_string().contains("`context_length` + 1 = 9"));
        assert!(matches!(Sampler::new(8, 0, 1, 0), Err(DataError::ZeroContext)));
    }
}
