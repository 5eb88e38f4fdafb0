//! Blocks of four bits that choose from sixteen values: IQ4_NL, IQ4_XS and MXFP4 (`dequantize_row_iq4_nl` and its neighbours in
//! ggml-quants.c).
//!
//! Of each 32 elements, 0 to 15 are in the lower halves of their bytes and 16 to 31 in the upper ones.

use super::bits::{half_at, nibbles};

/// The values of IQ4 (`kvalues_iq4nl`).
const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The values of FP4 E2M1, doubled (OCP Microscaling Formats 1.0, section 5.3.3; `kvalues_mxfp4`).
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// `d: f16, qs: [u4; 32]`; an element is `d * IQ4[q]`.
pub(super) fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    choose(&block[2..], out, half_at(block, 0), &IQ4);
}

/// `d: f16, scales_h: [u2; 8], scales_l: [u4; 8], qs: [u4; 256]`; an element is `d * (scale - 32) * IQ4[q]`.
pub(super) fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let d = half_at(block, 0);
    let scales_h = u16::from_le_bytes([block[2], block[3]]);
    let (scales_l, qs) = (&block[4..8], &block[8..]);
    for (group, (out, qs)) in out.as_chunks_mut::<32>().0.iter_mut().zip(qs.chunks_exact(16)).enumerate() {
        let low = scales_l[group / 2] >> (4 * (group % 2)) & 0x0f;
        let high = (scales_h >> (2 * group) & 3) as u8;
        choose(qs, out, d * (f32::from(low | high << 4) - 32.0), &IQ4);
    }
}

/// `e: E8M0, qs: [E2M1; 32]`; an element is `2^(e - 128) * E2M1[q]`, the values being doubled.
pub(super) fn mxfp4(block: &[u8; 17], out: &mut [f32; 32]) {
    choose(&block[1..], out, half_power(block[0]), &E2M1);
}

/// `2^(e - 128)`, as a subnormal where it is one (`ggml_e8m0_to_fp32_half`).
fn half_power(e: u8) -> f32 {
    f32::from_bits(match e {
        0 | 1 => 0x0020_0000 << e,
        _ => u32::from(e - 1) << 23,
    })
}

fn choose(qs: &[u8], out: &mut [f32; 32], scale: f32, values: &[i8; 16]) {
    for (index, byte) in qs.iter().enumerate() {
        let (low, high) = nibbles(*byte);
        out[index] = scale * f32::from(values[usize::from(low)]);
        out[index + 16] = scale * f32::from(values[usize::from(high)]);
    }
}
