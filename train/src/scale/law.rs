//! Chinchilla's law of the loss.

use serde::Serialize;

/// Floating-point operations of a parameter and a token in the closed form: two forward and four back, where attention's
/// scores and norms do not count.
const FLOPS_PER_PARAMETER: f64 = 6.0;

/// The loss of a model of `N` parameters after `D` tokens, `E + A / N^alpha + B / D^beta`, in nats per token (Hoffmann et al.
/// 2022, arXiv 2203.15556, equation 2).
///
/// ```
/// use hearth_train::scale::ScalingLaw;
///
/// // The paper's own constants, and the model that it trained.
/// let law = ScalingLaw { e: 1.69, a: 406.4, b: 410.7, alpha: 0.34, beta: 0.28 };
/// assert!((law.loss(70e9, 1.4e12) - 1.936).abs() < 1e-3);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScalingLaw {
    /// Loss that no model gets below, in nats per token: the entropy of the text.
    pub e: f64,
    /// Scale of what a model too small costs.
    pub a: f64,
    /// Scale of what too few tokens cost.
    pub b: f64,
    /// How fast the loss falls with parameters.
    pub alpha: f64,
    /// How fast the loss falls with tokens.
    pub beta: f64,
}

impl ScalingLaw {
    /// The loss of a model of so many parameters after so many tokens, in nats per token.
    pub fn loss(&self, parameters: f64, tokens: f64) -> f64 {
        self.e + self.a * parameters.powf(-self.alpha) + self.b * tokens.powf(-self.beta)
    }

    /// Parameters and tokens that reach the lowest loss with so many floating-point operations, if these are `6 N D`: equation
    /// 4 of the paper, `N = G (C / 6)^(beta / (alpha + beta))` with `G = (alpha A / (beta B))^(1 / (alpha + beta))`.
    pub fn optimum(&self, flops: f64) -> (f64, f64) {
        let (sum, product) = (self.alpha + self.beta, flops / FLOPS_PER_PARAMETER);
        let scale = (self.alpha * self.a / (self.beta * self.b)).powf(1.0 / sum);
        let parameters = scale * product.powf(self.beta / sum);
        (parameters, product / parameters)
    }
}

#[cfg(test)]
mod tests {
    use crate::scale::CHINCHILLA;

    #[test]
    fn the_closed_form_is_the_lowest_loss() {
        for flops in [1e18, 5.76e23, 1e26] {
            let (parameters, tokens) = CHINCHILLA.optimum(flops);
            assert!((6.0 * parameters * tokens / flops - 1.0).abs() < 1e-12);
            let loss = |factor: f64| CHINCHILLA.loss(parameters * factor, tokens / factor);
            assert!([0.9, 0.99, 1.01, 1.1].iter().all(|factor| loss(*factor) > loss(1.0)), "{flops}");
        }
        // The paper's Table A3, approach 3: 40.0e9 parameters would be best for Gopher's budget.
        let (parameters, _) = CHINCHILLA.optimum(5.76e23);
        assert!((30e9..45e9).contains(&parameters), "{parameters}");
    }
}
