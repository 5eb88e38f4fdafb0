//! Elements that are floats of another width: blocks of one element.

pub(super) fn f32(bytes: &[u8; 4], out: &mut [f32; 1]) {
    *out = [f32::from_le_bytes(*bytes)];
}

pub(super) fn f16(bytes: &[u8; 2], out: &mut [f32; 1]) {
    *out = [half::f16::from_le_bytes(*bytes).to_f32()];
}

/// The upper half of an f32.
pub(super) fn bf16(bytes: &[u8; 2], out: &mut [f32; 1]) {
    *out = [f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16)];
}

/// Rounds to the nearest f32.
pub(super) fn f64(bytes: &[u8; 8], out: &mut [f32; 1]) {
    *out = [f64::from_le_bytes(*bytes) as f32];
}
