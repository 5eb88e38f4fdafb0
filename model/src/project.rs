//! Projections.

use burn::{nn::Linear, tensor::Tensor};
use hearth_wgsl::{linear, linears};

/// Maps `[.., C]` to `[.., F]` by the weight `[C, F]` of `projection`, with its bias if it has one.
pub(crate) fn project<const D: usize>(projection: &Linear, x: Tensor<D>) -> Tensor<D> {
    let (weight, bias) = parameters(projection);
    linear(x, weight, bias)
}

/// The same by several of one `x`.
pub(crate) fn project_all<const D: usize, const N: usize>(projections: [&Linear; N], x: Tensor<D>) -> [Tensor<D>; N] {
    linears(x, projections.map(parameters))
}

fn parameters(projection: &Linear) -> (Tensor<2>, Option<Tensor<1>>) {
    (projection.weight.val(), projection.bias.as_ref().map(|bias| bias.val()))
}
