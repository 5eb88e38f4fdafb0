//! Parts of a block's bytes.

/// The f16 at a byte of a block, as f32.
pub(super) fn half_at(block: &[u8], at: usize) -> f32 {
    half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The lower and the upper four bits of a byte.
pub(super) fn nibbles(byte: u8) -> (u8, u8) {
    (byte & 0x0f, byte >> 4)
}
