//! From logits to the next token, on the host.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

use super::candidates::Candidates;
use crate::ModelError;

/// How the next token is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logits; 0 always takes the likeliest token (greedy).
    pub temperature: f64,
    /// Draw among this many likeliest tokens only; 0 for all.
    pub top_k: usize,
    /// Draw among the likeliest tokens that together reach this probability (Holtzman et al. 2019); 1 for all.
    pub top_p: f64,
    /// The same seed and prompt give the same text.
    pub seed: u64,
    /// Ids that are never drawn, in rising order: those of a padded vocabulary that no tokenizer has. Default none.
    pub never: Vec<u32>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.8, top_k: 0, top_p: 1.0, seed: 0, never: Vec::new() }
    }
}

impl Sampling {
    /// Always the likeliest token.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`ModelError::Generate`] names the setting.
    pub fn validate(&self) -> Result<(), ModelError> {
        if !(self.temperature.is_finite() && self.temperature >= 0.0) {
            return Err(ModelError::Generate(format!("temperature = {}: must be 0 or more", self.temperature)));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(ModelError::Generate(format!("top_p = {}: must be above 0 and at most 1", self.top_p)));
        }
        Ok(())
    }

    /// The source of randomness for one text.
    pub fn random(&self) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.seed)
    }

    /// Draws an index of `logits`, of which [`Sampling::never`] must leave one. A NaN is never drawn while another value stands
    /// beside it.
    pub fn pick(&self, logits: &[f32], random: &mut ChaCha8Rng) -> u32 {
        let mut candidates = Candidates::new(logits, &self.never);
        if self.temperature == 0.0 {
            return candidates.likeliest();
        }
        if self.top_k > 0 {
            candidates.truncate(self.top_k);
        }
        let mut total = candidates.total(self.temperature);
        if self.top_p < 1.0 {
            let mut mass = 0.0;
            let mut count = 0;
            candidates.descend(self.temperature, |weight| {
                mass += weight;
                count += 1;
                mass >= self.top_p * total
            });
            candidates.truncate(count);
            total = mass;
        }
        let mut target = random.random::<f64>() * total;
        candidates.descend(self.temperature, |weight| {
            target -= weight;
            target < 0.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROBABILITIES: [f32; 4] = [0.15, 0.5, 0.1, 0.25];

    fn logits() -> [f32; 4] {
        PROBABILITIES.map(f32::ln)
    }

    fn frequencies(sampling: &Sampling) -> [f64; 4] {
        let mut random = sampling.random();
        let mut counts = [0.0; 4];
        for _ in 0..20_000 {
            counts[sampling.pick(&logits(), &mut random) as usize] += 1.0 / 20_000.0;
        }
        counts
    }

    fn assert_close(sampling: Sampling, expected: [f64; 4]) {
        for (found, expected) in frequencies(&sampling).iter().zip(expected) {
            assert!((found - expected).abs() < 0.015, "{found} is not {expected}");
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let plain = Sampling { temperature: 1.0, ..Sampling::default() };
        assert_close(plain.clone(), [0.15, 0.5, 0.1, 0.25]);
        assert_close(Sampling { top_k: 2, ..plain.clone() }, [0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
        assert_close(Sampling { top_p: 0.8, ..plain.clone() }, [0.15 / 0.9, 0.5 / 0.9, 0.0, 0.25 / 0.9]);
        assert_close(Sampling::greedy(), [0.0, 1.0, 0.0, 0.0]);
        let half = Sampling { temperature: 0.5, ..plain };
        let squares = [0.15f64, 0.5, 0.1, 0.25].map(|p| p * p);
        let total: f64 = squares.iter().sum();
        assert_close(half, squares.map(|square| square / total));
    }

    #[test]
    fn ids_that_no_tokenizer_has_are_not_drawn() {
        let plain = Sampling { temperature: 1.0, never: vec![1, 3], ..Sampling::default() };
        assert_close(plain.clone(), [0.6, 0.0, 0.4, 0.0]);
        assert_close(Sampling { top_k: 1, ..plain.clone() }, [1.0, 0.0, 0.0, 0.0]);
        assert_close(Sampling { temperature: 0.0, ..plain }, [1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_seed_repeats_and_nan_is_not_drawn() {
        let sampling = Sampling { temperature: 1.0, seed: 3, ..Sampling::default() };
        let draw = |sampling: &Sampling| {
            let mut random = sampling.random();
            (0..50).map(|_| sampling.pick(&logits(), &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(draw(&sampling), draw(&sampling));
        assert_ne!(draw(&sampling), draw(&Sampling { seed: 4, ..sampling.clone() }));
        let mut random = sampling.random();
        assert!((0..100).all(|_| sampling.pick(&[f32::NAN, 0.0], &mut random) == 1));
    }

    /// As it is defined: all ids in order, and the first whose weights together exceed the draw.
    fn by_a_whole_sort(sampling: &Sampling, logits: &[f32], random: &mut ChaCha8Rng) -> u32 {
        let mut order: Vec<u32> = (0..logits.len() as u32).filter(|id| !sampling.never.contains(id)).collect();
        order.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]));
        if sampling.top_k > 0 {
            order.truncate(sampling.top_k);
        }
        let weight =
            |id: &u32| (f64::from(logits[*id as usize] - logits[order[0] as usize]) / sampling.temperature).exp();
        let mut weights: Vec<f64> = order.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        let sums = weights.iter().scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        let kept = sums.take_while(|sum| *sum < sampling.top_p * total).count() + 1;
        weights.truncate(kept);
        let mut target = random.random::<f64>() * weights.iter().sum::<f64>();
        let found = weights.iter().position(|weight| {
            target -= weight;
            target < 0.0
        });
        order[found.unwrap_or(weights.len() - 1)]
    }

    #[test]
    fn a_sort_as_far_as_it_is_needed_draws_what_a_whole_one_does() {
        let plain = Sampling { temperature: 1.5, seed: 5, ..Sampling::default() };
        let all = [
            plain.clone(),
            Sampling { top_k: 300, never: vec![0, 3, 4999], ..plain.clone() },
            Sampling { top_p: 0.9, ..plain.clone() },
            Sampling { top_k: 1, ..plain.clone() },
            Sampling { top_k: 40, top_p: 0.5, temperature: 0.3, ..plain.clone() },
            Sampling { top_k: 9000, top_p: 0.999, ..plain },
        ];
        for sampling in all {
            let [mut random, mut same] = [sampling.random(), sampling.random()];
            for draw in 0..60 {
                // Flat, so that draws reach far, and with many equal logits.
                let count = [70, 5000][draw % 2];
                let logits: Vec<f32> = (0..count).map(|_| (random.random::<f32>() * 300.0).round() / 100.0).collect();
                (0..count).for_each(|_| {
                    let _: f32 = same.random();
                });
                let found = sampling.pick(&logits, &mut random);
                assert_eq!(found, by_a_whole_sort(&sampling, &logits, &mut same), "draw {draw} of {sampling:?}");
            }
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let error = Sampling { temperature: -1.0, ..Sampling::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "temperature = -1: must be 0 or more");
        let error = Sampling { top_p: 0.0, ..Sampling::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "top_p = 0: must be above 0 and at most 1");
    }
}
