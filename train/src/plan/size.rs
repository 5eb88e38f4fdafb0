//! Sizes of tensors in numbers and bytes, which do not wrap where `usize` has 32 bits.

/// Bytes of a number: every tensor of a step is f32.
pub(super) const F32: u64 = size_of::<f32>() as u64;

/// A terabyte: no device has so much. Sums over the tensors of 65,536 blocks of such a size do not wrap either.
const MOST_BYTES: u64 = 1 << 40;

/// Numbers in a tensor of this shape; `u64::MAX` where there are more.
pub(super) fn elements<const N: usize>(shape: [usize; N]) -> u64 {
    shape.into_iter().fold(1, |product: u64, size| product.saturating_mul(size as u64))
}

/// Bytes of a tensor of this shape; a terabyte where there are more.
pub(super) fn bytes<const N: usize>(shape: [usize; N]) -> u64 {
    elements(shape).saturating_mul(F32).min(MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_in_64_bits_and_do_not_wrap() {
        // Scores [B, H, T, T] of 8 x 16 x 8192 x 8192: 2^33 numbers, which 32 bits would count as none.
        assert_eq!((elements([8, 16, 8192, 8192]), bytes([8, 16, 8192, 8192])), (1 << 33, 1 << 35));
        assert_eq!((elements([usize::MAX, usize::MAX]), bytes([usize::MAX, 3])), (u64::MAX, MOST_BYTES));
        assert_eq!(bytes([]), F32);
    }
}
