//! Parameters as slices.

use hearth_wgsl::{
    NormOptions,
    decode::{HostValues, Product, norm_row},
};

use crate::{Linear, Norm};

/// A projection's weight `[C, F]` and bias `[F]`.
pub struct LinearWeights {
    weight: HostValues,
    bias: Option<HostValues>,
}

/// A normalisation's scale and shift.
pub struct NormWeights {
    gamma: HostValues,
    beta: Option<HostValues>,
    options: NormOptions,
}

/// `None` where there is something that is not taken; what there is not is taken.
pub fn optional<T>(found: Option<Option<T>>) -> Option<Option<T>> {
    match found {
        Some(None) => None,
        other => Some(other.flatten()),
    }
}

impl LinearWeights {
    pub fn new(linear: &Linear) -> Option<Self> {
        let bias = optional(linear.bias.as_ref().map(|bias| HostValues::of(bias.val())))?;
        Some(Self { weight: HostValues::of(linear.merged())?, bias })
    }

    /// The product whose result goes to `y`.
    pub fn product<'a>(&'a self, y: &'a mut [f32]) -> Product<'a> {
        Product { weight: &self.weight, bias: self.bias.as_deref(), y }
    }
}

impl NormWeights {
    pub fn new(norm: &Norm) -> Option<Self> {
        let beta = optional(norm.beta.as_ref().map(|beta| HostValues::of(beta.val())))?;
        Some(Self { gamma: HostValues::of(norm.gamma.val())?, beta, options: norm.options() })
    }

    /// Normalises one row.
    pub fn apply(&self, x: &[f32], y: &mut [f32]) {
        norm_row(x, &self.gamma, self.beta.as_deref(), self.options, y);
    }
}
