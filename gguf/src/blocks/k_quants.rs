//! Blocks of 256 with scales that are quantised themselves: Q2_K to Q6_K (`dequantize_row_q2_K` and its neighbours in
//! ggml-quants.c).

use super::bits::half_at;

/// Elements of a block.
const K: usize = 256;

/// `scales: [(u4 scale, u4 minimum); 16], qs: [u2; 256], d: f16, dmin: f16`; an element is `d * scale * q - dmin * minimum`.
pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; K]) {
    let (scales, qs) = (&block[..16], &block[16..80]);
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = d * f32::from(scales[group] & 0x0f);
        let minimum = dmin * f32::from(scales[group] >> 4);
        for (index, out) in out.iter_mut().enumerate() {
            *out = scale * f32::from(two_bits(qs, 16 * group + index)) - minimum;
        }
    }
}

/// `hmask: [u1; 256], qs: [u2; 256], scales: [u6; 16], d: f16`; an element is `d * (scale - 32) * (q - 4)` with `hmask` the third
/// bits of `q`.
pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; K]) {
    let (hmask, qs, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = half_at(block, 108);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        // Eight bytes of lower halves, then four bytes of the two bits above.
        let low = scales[group % 8] >> (4 * (group / 8)) & 0x0f;
        let high = scales[8 + group % 4] >> (2 * (group / 4)) & 3;
        let scale = d * (f32::from(low | high << 4) - 32.0);
        for (index, out) in out.iter_mut().enumerate() {
            let element = 16 * group + index;
            let q = two_bits(qs, element) | one_bit(hmask, element) << 2;
            *out = scale * (f32::from(q) - 4.0);
        }
    }
}

/// `d: f16, dmin: f16, scales: [(u6 scale, u6 minimum); 8], qs: [u4; 256]`; an element is `d * scale * q - dmin * minimum`.
pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; K]) {
    let qs = &block[16..];
    with_minimum(block, out, |element| four_bits(qs, element));
}

/// As [`q4_k`], with `qh: [u1; 256]`, the fifth bits, before `qs`.
pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; K]) {
    let (qh, qs) = (&block[16..48], &block[48..]);
    with_minimum(block, out, |element| four_bits(qs, element) | one_bit(qh, element) << 4);
}

/// `ql: [u4; 256], qh: [u2; 256], scales: [i8; 16], d: f16`; an element is `d * scale * (q - 32)`.
pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; K]) {
    let (ql, qh, scales) = (&block[..128], &block[128..192], &block[192..208]);
    let d = half_at(block, 208);
    for (group, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
        let scale = d * f32::from(scales[group] as i8);
        for (index, out) in out.iter_mut().enumerate() {
            let element = 16 * group + index;
            // Each 64 bytes hold 128 elements: 64 in the lower halves, then 64 in the upper ones.
            let low = ql[64 * (element / 128) + element % 64] >> (4 * (element / 64 % 2)) & 0x0f;
            *out = scale * (f32::from(low | two_bits(qh, element) << 4) - 32.0);
        }
    }
}

/// The part that Q4_K and Q5_K have in common: groups of 32 with a scale and a minimum of six bits each.
fn with_minimum(block: &[u8], out: &mut [f32; K], q: impl Fn(usize) -> u8) {
    let (d, dmin, scales) = (half_at(block, 0), half_at(block, 2), &block[4..16]);
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (scale, minimum) = scale_and_minimum(scales, group);
        let (scale, minimum) = (d * f32::from(scale), dmin * f32::from(minimum));
        for (index, out) in out.iter_mut().enumerate() {
            *out = scale * f32::from(q(32 * group + index)) - minimum;
        }
    }
}

/// Unpacks the scale and the minimum of a group (`get_scale_min_k4`).
///
/// Groups 0 to 3 are the lower six bits of bytes 0 to 3 and 4 to 7. Groups 4 to 7 have their lower halves in bytes 8 to 11, and
/// the two bits above them where the first four leave room.
fn scale_and_minimum(scales: &[u8], group: usize) -> (u8, u8) {
    let (scale, minimum) = (scales[group % 4], scales[4 + group % 4]);
    if group < 4 {
        return (scale & 0x3f, minimum & 0x3f);
    }
    let low = scales[4 + group];
    (low & 0x0f | scale >> 2 & 0x30, low >> 4 | minimum >> 2 & 0x30)
}

/// Element of `[u2; 256]`: each 32 bytes hold 128 elements, 32 in each two bits from the lowest on.
fn two_bits(qs: &[u8], element: usize) -> u8 {
    qs[32 * (element / 128) + element % 32] >> (2 * (element / 32 % 4)) & 3
}

/// Element of `[u4; 256]`: each 32 bytes hold 64 elements, 32 in the lower halves, then 32 in the upper ones.
fn four_bits(qs: &[u8], element: usize) -> u8 {
    qs[32 * (element / 64) + element % 32] >> (4 * (element / 32 % 2)) & 0x0f
}

/// Element of `[u1; 256]`: 32 bytes, 32 elements in each bit from the lowest on.
fn one_bit(bits: &[u8], element: usize) -> u8 {
    bits[element % 32] >> (element / 32) & 1
}
