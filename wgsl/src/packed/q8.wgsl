// 8 bits in two's complement, times the scale that is the block's head.

fn number(word: u32, part: u32, head: u32) -> f32 {
    return f32(bitcast<i32>(word << (24u - 8u * part)) >> 24u) * bitcast<f32>(head);
}
