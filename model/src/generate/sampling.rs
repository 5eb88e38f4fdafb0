//! From logits to the next token, on the host.

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

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
        let is_drawn = |id: &u32| self.never.binary_search(id).is_err();
        let mut order: Vec<u32> = (0..logits.len() as u32).filter(is_drawn).collect();
        let logit = |token: u32| {
            let value = logits[token as usize];
            if value.is_nan() { f32::NEG_INFINITY } else { value }
        };
        // Equal logits stay in the order of their ids, so that the choice does not depend on the sort.
        order.sort_by(|a, b| logit(*b).total_cmp(&logit(*a)));
        if self.temperature == 0.0 {
            return order[0];
        }
        if self.top_k > 0 {
            order.truncate(self.top_k);
        }
        let max = logit(order[0]);
        let mut weights: Vec<f64> =
            order.iter().map(|token| (f64::from(logit(*token) - max) / self.temperature).exp()).collect();
        let total: f64 = weights.iter().sum();
        let mut mass = 0.0;
        let kept = weights
            .iter()
            .position(|weight| {
                mass += weight;
                mass >= self.top_p * total
            })
            .map_or(weights.len(), |last| last + 1);
        weights.truncate(kept);
        let mut target = random.random::<f64>() * weights.iter().sum::<f64>();
        for (token, weight) in order.iter().zip(&weights) {
            target -= weight;
            if target < 0.0 {
                return *token;
            }
        }
        order[kept - 1]
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

    #[test]
    fn bad_settings_are_named() {
        let error = Sampling { temperature: -1.0, ..Sampling::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "temperature = -1: must be 0 or more");
        let error = Sampling { top_p: 0.0, ..Sampling::default() }.validate().unwrap_err();
        assert_eq!(error.to_string(), "top_p = 0: must be above 0 and at most 1");
    }
}
