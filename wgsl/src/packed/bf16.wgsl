// The upper half of an f32.

fn number(word: u32, part: u32, head: u32) -> f32 {
    return bitcast<f32>((word >> (16u * part)) << 16u);
}
