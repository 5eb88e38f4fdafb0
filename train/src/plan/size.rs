//! Sizes of tensors in bytes.

use hearth_model::elements;

/// Bytes of a number: every tensor of a step is f32.
pub(super) const F32: u64 = size_of::<f32>() as u64;

/// Bytes of a tensor of this shape; at most 4 TiB.
pub(super) fn bytes<const N: usize>(shape: [usize; N]) -> u64 {
    elements(shape) * F32
}
