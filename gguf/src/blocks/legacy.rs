//! Blocks of 32 with one scale: Q4_0 to Q8_0 (`dequantize_row_q4_0` and its neighbours in ggml-quants.c).
//!
//! A block of 4 or 5 bits has elements 0 to 15 in the lower halves of its bytes and 16 to 31 in the upper ones.

use super::bits::{half_at, nibbles};

/// `d: f16, qs: [u4; 32]`; an element is `d * (q - 8)`.
pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    four_bits(&block[2..], out, |_, q| d * (f32::from(q) - 8.0));
}

/// `d: f16, m: f16, qs: [u4; 32]`; an element is `d * q + m`.
pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    four_bits(&block[4..], out, |_, q| d * f32::from(q) + m);
}

/// `d: f16, qh: [u1; 32], qs: [u4; 32]`, `qh` the fifth bits; an element is `d * (q - 16)`.
pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    let qh = &block[2..6];
    four_bits(&block[6..], out, |index, q| d * (f32::from(q | fifth_bit(qh, index)) - 16.0));
}

/// `d: f16, m: f16, qh: [u1; 32], qs: [u4; 32]`; an element is `d * q + m`.
pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let qh = &block[4..8];
    four_bits(&block[8..], out, |index, q| d * f32::from(q | fifth_bit(qh, index)) + m);
}

/// `d: f16, qs: [i8; 32]`; an element is `d * q`.
pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let d = half_at(block, 0);
    out.iter_mut().zip(&block[2..]).for_each(|(out, q)| *out = f32::from(*q as i8) * d);
}

fn four_bits(qs: &[u8], out: &mut [f32; 32], element: impl Fn(usize, u8) -> f32) {
    for (index, byte) in qs.iter().enumerate() {
        let (low, high) = nibbles(*byte);
        out[index] = element(index, low);
        out[index + 16] = element(index + 16, high);
    }
}

fn fifth_bit(qh: &[u8], index: usize) -> u8 {
    (qh[index / 8] >> (index % 8) & 1) << 4
}
