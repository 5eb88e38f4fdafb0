//! Projections.

use burn::{nn::Linear, tensor::Tensor};
use hearth_wgsl::linear;

/// Maps `[.., C]` to `[.., F]` by the weight `[C, F]` of `projection`, with its bias if it has one.
pub(crate) fn project<const D: usize>(projection: &Linear, x: Tensor<D>) -> Tensor<D> {
    linear(x, projection.weight.val(), projection.bias.as_ref().map(|bias| bias.val()))
}
