// The number whose bits as f16 these are. By integers alone: unpack2x16float may make 0 of what is below 2^-14.
fn half_number(bits: u32) -> f32 {
    let exponent = (bits >> 10u) & 31u;
    let mantissa = bits & 1023u;
    // Rebiased from 15 to 127; of exponent 0 are multiples of 2^-24, of 31 what is no number.
    let normal = ((exponent + select(112u, 224u, exponent == 31u)) << 23u) | (mantissa << 13u);
    let small = bitcast<u32>(f32(mantissa) * 5.9604644775390625e-8);
    return bitcast<f32>(select(normal, small, exponent == 0u) | ((bits & 0x8000u) << 16u));
}
