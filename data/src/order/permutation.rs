//! A keyed permutation of `0..n` that is computed, not stored.
//!
//! A balanced Feistel network permutes the integers of an even number of bits; what it maps outside `0..n`
//! is mapped again until it falls inside (cycle walking; Black and Rogaway, "Ciphers with Arbitrary Finite
//! Domains", CT-RSA 2002). The network's domain is less than four times `n`, so that takes fewer than four
//! walks on average.

use super::splitmix::{mix, splitmix64};

/// Luby and Rackoff need four rounds where the halves are wide; the narrow halves of a short text need more.
const ROUNDS: usize = 8;

/// A bijection of `0..n` chosen by a key. Not cryptographic.
#[derive(Debug, Clone)]
pub(crate) struct Permutation {
    n: u64,
    /// Bits in each half of the network, at most 32.
    half_bits: u32,
    round_keys: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation of `0..n` that `key` selects.
    pub(crate) fn new(n: u64, key: u64) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        let round_keys = std::array::from_fn(|round| splitmix64(key, round as u64));
        Self { n, half_bits: bits.div_ceil(2), round_keys }
    }

    /// Where the permutation sends `i`, which must be below `n`.
    ///
    /// # Panics
    /// When it is not: the walk might never come back to `0..n`.
    pub(crate) fn at(&self, i: u64) -> u64 {
        assert!(i < self.n, "{i} is not in the permutation's domain 0..{}", self.n);
        let mut image = self.network(i);
        while image >= self.n {
            image = self.network(image);
        }
        image
    }

    fn network(&self, x: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (x >> self.half_bits, x & mask);
        for key in self.round_keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn is_a_bijection_for_every_small_n() {
        for key in [0, 0xDEAD_BEEF_0BAD_F00D] {
            for n in 1..=5_000_usize {
                let permutation = Permutation::new(n as u64, key);
                let mut seen = vec![false; n];
                for i in 0..n as u64 {
                    let image = permutation.at(i) as usize; // indexing fails where it is not below n
                    assert!(!std::mem::replace(&mut seen[image], true), "n = {n}, key = {key}: {image} twice");
                }
            }
        }
    }

    #[test]
    fn large_domains_have_no_collisions() {
        for n in [(1 << 40) - 1, 1 << 40, (1 << 40) + 1, u64::MAX] {
            let permutation = Permutation::new(n, 7);
            let samples = (0..5_000).chain(n - 5_000..n);
            let images: HashSet<u64> = samples.map(|i| permutation.at(i)).collect();
            assert_eq!(images.len(), 10_000, "n = {n}");
            assert!(images.iter().all(|&image| image < n), "n = {n}");
        }
    }

    #[test]
    fn keys_give_orders_that_agree_by_chance_only() {
        let n = 1_000;
        let orders = [1, 2, 3].map(|key| Permutation::new(n, key)).map(|p| (0..n).map(move |i| p.at(i)).collect());
        let [a, b, c]: [Vec<u64>; 3] = orders;
        let fixed_points: Vec<u64> = (0..n).collect();
        // Two random orders agree in one place on average (Poisson): more than eight is one case in a million.
        for (one, other) in [(&a, &b), (&b, &c), (&a, &c), (&a, &fixed_points)] {
            let agreements = one.iter().zip(other).filter(|(x, y)| x == y).count();
            assert!(agreements <= 8, "{agreements} agreements");
        }
    }

    /// Pearson's statistic of where the first and the last element go, over many keys, and of neighbours'
    /// distance: with `n - 1` degrees of freedom its mean is `n - 1`, its standard deviation `sqrt(2 (n - 1))`.
    #[test]
    fn positions_are_spread_evenly_over_keys() {
        let keys = 100_000;
        for n in [5_u64, 17, 64, 100] {
            let spread = |value: &dyn Fn(&Permutation) -> u64, cells: u64| {
                let mut counts = vec![0_u64; cells as usize];
                for key in 0..keys {
                    counts[value(&Permutation::new(n, key)) as usize] += 1;
                }
                let expected = keys as f64 / cells as f64;
                let statistic: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
                let freedom = (cells - 1) as f64;
                (statistic - freedom) / (2.0 * freedom).sqrt()
            };
            for (what, deviations) in [
                ("first", spread(&|p| p.at(0), n)),
                ("last", spread(&|p| p.at(n - 1), n)),
                ("distance of the first two", spread(&|p| (p.at(1) + n - p.at(0)) % n - 1, n - 1)),
            ] {
                assert!(deviations < 5.0, "n = {n}, {what}: {deviations} standard deviations above the mean");
            }
        }
    }
}
