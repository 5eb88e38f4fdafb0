//! Which stream each sample of a mixture comes from: a pure function of its number.

use crate::DataError;

/// The most slots in a cycle, and so the finest share that a stream can have.
const MOST_SLOTS: u64 = 1 << 16;

/// A cycle of slots, each of which belongs to a stream. The streams' slots are spread evenly, and a cycle holds each
/// stream's share exactly, so a stream's own samples are numbered without gaps: full cycles times its slots in
/// one, plus its slots before this one.
#[derive(Debug, Clone)]
pub(crate) struct Mixture {
    slots: Vec<Slot>,
    /// Slots of each stream in a cycle.
    counts: Vec<u64>,
}

#[derive(Debug, Clone)]
struct Slot {
    stream: u32,
    /// Slots of the same stream before this one in the cycle.
    before: u32,
}

impl Mixture {
    /// Every sample from the same stream.
    pub(crate) fn of_one() -> Self {
        Self::interleave(vec![1])
    }

    /// Streams with shares proportional to `weights`, exact where at most 65536 slots can express them, else rounded
    /// to 1/65536.
    ///
    /// # Errors
    /// When there are none, or one is not a number of at least 1/65536 of their sum.
    pub(crate) fn new(weights: &[f64]) -> Result<Self, DataError> {
        if weights.is_empty() {
            return Err(DataError::EmptyMixture);
        }
        let is_share = |weight: &&f64| weight.is_finite() && **weight > 0.0;
        let sum: f64 = weights.iter().filter(is_share).sum();
        let least = sum / MOST_SLOTS as f64;
        if let Some(stream) = weights.iter().position(|weight| !is_share(&weight) || *weight < least) {
            return Err(DataError::MixtureWeight { stream, weight: weights[stream] });
        }
        let shares: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        let slots = (1..MOST_SLOTS).find(|&slots| expresses(slots, &shares)).unwrap_or(MOST_SLOTS);
        Ok(Self::interleave(apportion(slots, &shares)))
    }

    /// The stream of sample number `sample`, and the number of that sample within the stream.
    pub(crate) fn at(&self, sample: u64) -> (usize, u64) {
        let cycle_length = self.slots.len() as u64;
        let (cycle, slot) = (sample / cycle_length, sample % cycle_length);
        let Slot { stream, before } = self.slots[slot as usize];
        (stream as usize, cycle * self.counts[stream as usize] + u64::from(before))
    }

    /// Spreads the streams' slots by smooth weighted round-robin: each slot goes to the stream that is furthest behind.
    fn interleave(counts: Vec<u64>) -> Self {
        let cycle_length: u64 = counts.iter().sum();
        let mut due = vec![0_i64; counts.len()];
        let mut taken = vec![0_u32; counts.len()];
        let slots = (0..cycle_length).map(|_| {
            due.iter_mut().zip(&counts).for_each(|(due, &count)| *due += count as i64);
            let furthest = (0..due.len()).rev().max_by_key(|&stream| due[stream]); // the first among equals
            let stream = furthest.expect("a mixture has streams");
            due[stream] -= cycle_length as i64;
            taken[stream] += 1;
            Slot { stream: stream as u32, before: taken[stream] - 1 }
        });
        Self { slots: slots.collect(), counts }
    }
}

/// Whether every share is a whole number of `slots`, but for the rounding of decimal fractions.
fn expresses(slots: u64, shares: &[f64]) -> bool {
    let misses = |share: &f64| (share * slots as f64).fract();
    shares.iter().map(misses).all(|fract| fract.min(1.0 - fract) < 1e-9)
}

/// Deals out `slots` by the method of largest remainders. Every stream gets one, as no share is below 1/65536.
fn apportion(slots: u64, shares: &[f64]) -> Vec<u64> {
    let ideals: Vec<f64> = shares.iter().map(|share| share * slots as f64).collect();
    let mut counts: Vec<u64> = ideals.iter().map(|&ideal| ideal as u64).collect();
    let mut by_remainder: Vec<usize> = (0..shares.len()).collect();
    by_remainder.sort_by(|&a, &b| ideals[b].fract().total_cmp(&ideals[a].fract()));
    let left = slots - counts.iter().sum::<u64>();
    by_remainder.into_iter().take(left as usize).for_each(|stream| counts[stream] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(mixture: &Mixture, samples: std::ops::Range<u64>) -> Vec<usize> {
        samples.map(|sample| mixture.at(sample).0).collect()
    }

    #[test]
    fn shares_are_exact_in_the_shortest_cycle_that_expresses_them() {
        for (weights, counts) in [
            (vec![0.7, 0.2, 0.1], vec![7, 2, 1]),
            (vec![1.0 / 3.0, 2.0 / 3.0], vec![1, 2]),
            (vec![3.0, 1.5], vec![2, 1]),
            (vec![0.3333, 0.6667], vec![3333, 6667]),
            (vec![1.0], vec![1]),
            (vec![std::f64::consts::PI, 1.0], vec![49_712, 15_824]),
            (vec![1.0, 65_535.0], vec![1, 65_535]),
        ] {
            let mixture = Mixture::new(&weights).unwrap();
            assert_eq!(mixture.counts, counts, "{weights:?}");
            let length: u64 = counts.iter().sum();
            for cycle in [0, 1, 1 << 30] {
                let drawn = streams(&mixture, cycle * length..(cycle + 1) * length);
                let of = |stream| drawn.iter().filter(|&&drawn| drawn == stream).count() as u64;
                assert_eq!((0..counts.len()).map(of).collect::<Vec<_>>(), counts, "{weights:?}");
            }
        }
    }

    #[test]
    fn samples_of_a_stream_are_numbered_without_gaps() {
        for weights in [vec![0.7, 0.2, 0.1], vec![1.0 / 3.0, 2.0 / 3.0], vec![0.123, 4.56, 1e-3]] {
            let mixture = Mixture::new(&weights).unwrap();
            let mut next = vec![0; weights.len()];
            for (stream, within) in (0..200_000).map(|sample| mixture.at(sample)) {
                assert_eq!(within, next[stream], "stream {stream} of {weights:?}");
                next[stream] += 1;
            }
        }
    }

    #[test]
    fn streams_are_spread_evenly() {
        for weights in [vec![0.7, 0.2, 0.1], vec![0.55, 0.25, 0.15, 0.05]] {
            let mixture = Mixture::new(&weights).unwrap();
            let mut drawn = vec![0.0; weights.len()];
            for sample in 0..1_000 {
                drawn[mixture.at(sample).0] += 1.0;
                for (stream, weight) in weights.iter().enumerate() {
                    let ahead: f64 = drawn[stream] - weight * (sample + 1) as f64;
                    assert!(ahead.abs() <= 1.0, "stream {stream} is {ahead} samples ahead at {sample}");
                }
            }
        }
    }

    #[test]
    fn refuses_weights_that_are_no_shares() {
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-6] {
            let error = Mixture::new(&[1.0, weight]).unwrap_err();
            let DataError::MixtureWeight { stream: 1, .. } = error else { panic!("{weight}: {error}") };
        }
        assert!(matches!(Mixture::new(&[]), Err(DataError::EmptyMixture)));
    }
}
