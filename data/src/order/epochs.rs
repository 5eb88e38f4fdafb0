//! `0..n` in a new random order each epoch.

use super::permutation::Permutation;
use super::splitmix::splitmix64;

/// Deals out `0..n` epoch after epoch, for ever. The sample number is the whole state.
#[derive(Debug, Clone)]
pub(crate) struct Epochs {
    n: u64,
    seed: u64,
}

impl Epochs {
    /// The orders of `0..n`, where `n` is at least 1, that `seed` selects.
    pub(crate) fn new(n: u64, seed: u64) -> Self {
        Self { n, seed }
    }

    /// Samples in an epoch.
    pub(crate) fn length(&self) -> u64 {
        self.n
    }

    /// The epoch of a sample, and which of `0..n` it is.
    pub(crate) fn at(&self, sample: u64) -> (u64, u64) {
        let (epoch, position) = (sample / self.n, sample % self.n);
        let order = Permutation::new(self.n, splitmix64(self.seed, 2 * epoch));
        (epoch, order.at(position))
    }

    /// A number below `choices` that the epoch draws, independent of its order.
    pub(crate) fn draw(&self, epoch: u64, choices: u64) -> u64 {
        splitmix64(self.seed, 2 * epoch + 1) % choices
    }
}
