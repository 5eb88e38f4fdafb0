//! Fits a law to measured losses.

use serde::Serialize;

use super::{
    ScalingLaw,
    huber::{LARGE, minimise},
};

/// Sizes from which on each exponent is fitted for itself: five constants want ten points or more, two a size.
const SIZES_FOR_BOTH: usize = 5;

/// Exponents that a fit begins with, and bounds of those that it ends with.
const STARTS: [f64; 5] = [0.15, 0.3, 0.5, 0.8, 1.2];
const EXPONENTS: [f64; 2] = [0.02, 3.0];
/// Shares of the lowest loss that are taken for the text's entropy at first.
const ENTROPIES: [f64; 3] = [0.1, 0.5, 0.9];

/// A measured loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Parameters of the model, `N`.
    pub parameters: f64,
    /// Training tokens, `D`.
    pub tokens: f64,
    /// Validation loss at the end, in nats per token.
    pub loss: f64,
}

/// A law that was fitted, and how well.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Fit {
    /// The law.
    pub law: ScalingLaw,
    /// Whether `alpha` and `beta` are one number, for want of sizes.
    pub one_exponent: bool,
    /// Root of the mean square of `log(predicted / measured)` over the points: 0.01 is about 1 %.
    pub error: f64,
}

/// Fits [`ScalingLaw`] as the paper's approach 3 does: the least sum over all points of Huber's loss (delta 1e-3) of the
/// difference of the logarithms, from a grid of starts. Of fewer than five sizes `alpha` and `beta` are fitted as one number.
///
/// `None` where there are fewer than three sizes, one number of tokens alone for each, or a value that is not positive and
/// finite: then nothing tells the constants apart.
pub fn fit(points: &[Point]) -> Option<Fit> {
    fit_as(points, sizes(points) < SIZES_FOR_BOTH)
}

/// As [`fit`], with one exponent or two as the caller says.
pub(super) fn fit_as(points: &[Point], one_exponent: bool) -> Option<Fit> {
    let positive = |value: f64| value > 0.0 && value.is_finite();
    if !points.iter().all(|it| [it.parameters, it.tokens, it.loss].into_iter().all(positive)) {
        return None;
    }
    if sizes(points) < 3 || points.len() < 5 {
        return None;
    }
    let samples = Samples::of(points);
    let ended = starts(&samples, one_exponent).into_iter().map(|start| {
        let mut at = start;
        let cost = minimise(&mut at, |at, row| samples.residual(row, at, one_exponent), samples.rows.len());
        (cost, at)
    });
    let (_, best) = ended.filter(|(cost, _)| cost.is_finite()).min_by(|one, other| one.0.total_cmp(&other.0))?;
    let law = samples.law(&best, one_exponent);
    let squares = points.iter().map(|it| (law.loss(it.parameters, it.tokens) / it.loss).ln().powi(2));
    let error = (squares.sum::<f64>() / points.len() as f64).sqrt();
    Some(Fit { law, one_exponent, error })
}

/// Number of sizes among the points.
pub(super) fn sizes(points: &[Point]) -> usize {
    let mut sizes: Vec<u64> = points.iter().map(|it| it.parameters.to_bits()).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes.len()
}

/// Logarithms of the points. Parameters and tokens are relative to their means, without which a scale and its exponent could
/// hardly be told apart.
struct Samples {
    /// Of parameters, tokens and loss.
    rows: Vec<[f64; 3]>,
    means: [f64; 2],
}

/// What is fitted: the logarithms of `A`, `B` (at the means) and `E`, then `alpha` and `beta`; with one exponent that is
/// `alpha`, and `beta` stands still.
type Constants = [f64; 5];

impl Samples {
    fn of(points: &[Point]) -> Self {
        let mut rows: Vec<[f64; 3]> =
            points.iter().map(|it| [it.parameters, it.tokens, it.loss].map(f64::ln)).collect();
        let means = [0, 1].map(|at| rows.iter().map(|row| row[at]).sum::<f64>() / rows.len() as f64);
        rows.iter_mut().for_each(|row| (0..2).for_each(|at| row[at] -= means[at]));
        Self { rows, means }
    }

    /// The difference of the logarithms of predicted and measured loss, and its derivatives.
    fn residual(&self, row: usize, at: &Constants, one_exponent: bool) -> (f64, Constants) {
        let [parameters, tokens, loss] = self.rows[row];
        let [alpha, beta] = exponents(at, one_exponent);
        if ![alpha, beta].iter().all(|it| (EXPONENTS[0]..=EXPONENTS[1]).contains(it)) {
            return (LARGE, [0.0; 5]);
        }
        let terms = [at[0] - alpha * parameters, at[1] - beta * tokens, at[2]];
        let most = terms.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let predicted = most + terms.iter().map(|term| (term - most).exp()).sum::<f64>().ln();
        let [a, b, e] = terms.map(|term| (term - predicted).exp());
        let slopes = [-a * parameters, -b * tokens];
        let slopes = if one_exponent { [slopes[0] + slopes[1], 0.0] } else { slopes };
        (predicted - loss, [a, b, e, slopes[0], slopes[1]])
    }

    fn law(&self, at: &Constants, one_exponent: bool) -> ScalingLaw {
        let [alpha, beta] = exponents(at, one_exponent);
        ScalingLaw {
            e: at[2].exp(),
            a: (at[0] + alpha * self.means[0]).exp(),
            b: (at[1] + beta * self.means[1]).exp(),
            alpha,
            beta,
        }
    }
}

fn exponents(at: &Constants, one_exponent: bool) -> [f64; 2] {
    [at[3], if one_exponent { at[3] } else { at[4] }]
}

/// Where fits begin: what of the mean loss is not taken for entropy is half the model's and half the tokens'.
fn starts(samples: &Samples, one_exponent: bool) -> Vec<Constants> {
    let losses = || samples.rows.iter().map(|row| row[2].exp());
    let (lowest, mean) = (losses().fold(f64::INFINITY, f64::min), losses().sum::<f64>() / samples.rows.len() as f64);
    let betas = if one_exponent { &STARTS[..1] } else { &STARTS[..] };
    let mut starts = Vec::new();
    for share in ENTROPIES {
        let half = (0.5 * (mean - share * lowest)).ln();
        let exponents = STARTS.iter().flat_map(|alpha| betas.iter().map(move |beta| (*alpha, *beta)));
        starts.extend(exponents.map(|(alpha, beta)| [half, half, (share * lowest).ln(), alpha, beta]));
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::CHINCHILLA;

    /// From -1 to 1, the same each time.
    fn noise(at: usize) -> f64 {
        let mut bits = (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (bits ^ (bits >> 31)) as f64 / 2.0_f64.powi(63) - 1.0
    }

    /// Losses of the law at these sizes, each after so many tokens a parameter, off by up to `share`.
    fn measured(law: &ScalingLaw, sizes: &[f64], ratios: &[f64], share: f64) -> Vec<Point> {
        let all = sizes.iter().flat_map(|size| ratios.iter().map(move |ratio| (*size, size * ratio)));
        let point = |(at, (parameters, tokens)): (usize, (f64, f64))| {
            let loss = law.loss(parameters, tokens) * (1.0 + share * noise(at));
            Point { parameters, tokens, loss }
        };
        all.enumerate().map(point).collect()
    }

    const SIZES: [f64; 8] = [44e6, 1e8, 2.5e8, 6e8, 1.4e9, 3.4e9, 8e9, 16e9];
    const RATIOS: [f64; 5] = [3.0, 8.0, 20.0, 60.0, 150.0];

    #[test]
    fn constants_come_back_without_noise() {
        let fit = fit(&measured(&CHINCHILLA, &SIZES, &RATIOS, 0.0)).unwrap();
        let near = |found: f64, known: f64| assert!((found / known - 1.0).abs() < 1e-3, "{fit:?}");
        near(fit.law.e, CHINCHILLA.e);
        near(fit.law.a, CHINCHILLA.a);
        near(fit.law.b, CHINCHILLA.b);
        near(fit.law.alpha, CHINCHILLA.alpha);
        near(fit.law.beta, CHINCHILLA.beta);
        assert!(!fit.one_exponent && fit.error < 1e-5, "{fit:?}");
    }

    #[test]
    fn constants_come_back_from_noisy_losses() {
        let mut points = measured(&CHINCHILLA, &SIZES, &RATIOS, 0.003);
        // One run that went wrong, which squares would follow.
        points[17].loss *= 1.2;
        let fit = fit(&points).unwrap();
        assert!((fit.law.e - CHINCHILLA.e).abs() < 0.06, "{fit:?}");
        assert!((fit.law.alpha - CHINCHILLA.alpha).abs() < 0.03, "{fit:?}");
        assert!((fit.law.beta - CHINCHILLA.beta).abs() < 0.03, "{fit:?}");
        // A scale is its exponent's: off by 0.03 of 0.34 at 1e9 parameters is a factor of two.
        for (found, known) in [(fit.law.a, CHINCHILLA.a), (fit.law.b, CHINCHILLA.b)] {
            assert!((found / known).ln().abs() < 0.7, "{fit:?}");
        }
        // What counts is what it predicts, here for ten times the largest, and the size that it advises.
        let predicted = fit.law.loss(1.6e11, 3.2e12) / CHINCHILLA.loss(1.6e11, 3.2e12);
        assert!((predicted - 1.0).abs() < 0.01, "{predicted}");
        let (advised, known) = (fit.law.optimum(1e23).0, CHINCHILLA.optimum(1e23).0);
        assert!((advised / known).ln().abs() < 0.3, "{advised:e} {known:e}");
    }

    #[test]
    fn few_sizes_share_an_exponent() {
        let law = ScalingLaw { alpha: 0.4, beta: 0.4, a: 30.0, b: 90.0, e: 1.2 };
        let fit = fit(&measured(&law, &[1e4, 4e4, 1.6e5], &[5.0, 20.0], 0.0)).unwrap();
        assert!(fit.one_exponent && fit.law.alpha == fit.law.beta);
        assert!((fit.law.alpha - 0.4).abs() < 1e-3 && (fit.law.e - 1.2).abs() < 1e-2, "{fit:?}");
    }

    #[test]
    fn what_tells_nothing_is_not_fitted() {
        assert_eq!(fit(&[]), None);
        assert_eq!(fit(&measured(&CHINCHILLA, &SIZES[..2], &RATIOS, 0.0)), None);
        assert_eq!(fit(&measured(&CHINCHILLA, &SIZES[..4], &RATIOS[..1], 0.0)), None);
        let mut points = measured(&CHINCHILLA, &SIZES, &RATIOS, 0.0);
        points[3].loss = f64::NAN;
        assert_eq!(fit(&points), None);
    }
}
