//! Figures of an evaluation.

use serde::Serialize;

/// What was found of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TextFigures {
    /// Bytes of the text.
    pub bytes: u64,
    /// Tokens of the text, without what the model's texts begin with.
    pub tokens: u64,
    /// Tokens that were scored: all that have another before them in their window.
    pub scored: u64,
    /// Summed negative log-likelihood of what was scored, nats.
    pub nats: f64,
    /// Seconds that it took.
    pub seconds: f64,
}

impl TextFigures {
    /// Of both texts together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            tokens: self.tokens + other.tokens,
            scored: self.scored + other.scored,
            nats: self.nats + other.nats,
            seconds: self.seconds + other.seconds,
        }
    }

    /// Mean negative log-likelihood of a token, nats.
    pub fn nats_per_token(&self) -> f64 {
        self.nats / self.scored.max(1) as f64
    }

    /// `e` to the power of [`TextFigures::nats_per_token`].
    pub fn perplexity(&self) -> f64 {
        self.nats_per_token().exp()
    }

    /// [`TextFigures::nats_per_token`] in bits.
    pub fn bits_per_token(&self) -> f64 {
        self.nats_per_token() / std::f64::consts::LN_2
    }

    /// Bits of a byte of the text, at the tokens that it has: a token that was not scored counts as the mean of the others.
    pub fn bits_per_byte(&self) -> f64 {
        self.bits_per_token() * self.tokens as f64 / self.bytes.max(1) as f64
    }

    /// Tokens that were scored in a second.
    pub fn tokens_per_second(&self) -> f64 {
        self.scored as f64 / self.seconds.max(1e-9)
    }
}

/// A share of rows, and how far it may be off.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// From 0 to 1.
    pub value: f64,
    /// The standard error of the mean, by the sample's deviation; none of a single row.
    pub stderr: Option<f64>,
}

impl Share {
    /// The share of `count` rows, at least one, of which `hits` are right.
    pub fn of(hits: usize, count: usize) -> Self {
        let n = count.max(1) as f64;
        let value = hits as f64 / n;
        // Of numbers that are 0 or 1.
        let stderr = (count > 1).then(|| (value * (1.0 - value) / (n - 1.0)).sqrt());
        Self { value, stderr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_all_texts_together() {
        let one = TextFigures { bytes: 8, tokens: 4, scored: 4, nats: 4.0 * 2f64.ln(), seconds: 1.0 };
        let other = TextFigures { bytes: 4, tokens: 3, scored: 2, nats: 8.0 * 2f64.ln(), seconds: 2.0 };
        assert_eq!((one.bits_per_token(), one.bits_per_byte(), one.tokens_per_second()), (1.0, 0.5, 4.0));
        assert!((one.perplexity() - 2.0).abs() < 1e-12);
        assert_eq!((other.bits_per_token(), other.bits_per_byte()), (4.0, 3.0));
        let both = one.and(other);
        assert_eq!((both.bits_per_token(), both.tokens, both.tokens_per_second()), (2.0, 7, 2.0));
    }

    #[test]
    fn a_share_has_the_error_of_its_sample() {
        // statistics.stdev([1, 1, 0, 0, 0, 0]) / 6 ** 0.5
        let share = Share::of(2, 6);
        assert!((share.stderr.unwrap() - 0.210_818_510_677_892).abs() < 1e-12);
        assert_eq!(Share::of(1, 1), Share { value: 1.0, stderr: None });
        assert_eq!(Share::of(3, 3).stderr, Some(0.0));
    }
}
