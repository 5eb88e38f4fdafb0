// Half precision, without the device's f16; half.wgsl stands before it.

fn number(word: u32, part: u32, head: u32) -> f32 {
    return half_number((word >> (16u * part)) & 0xffffu);
}
