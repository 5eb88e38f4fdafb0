// 8 bits in two's complement, times the scale that is the block's head.

fn number(word: u32, part: u32, head: u32) -> f32 {
    return f32(extractBits(bitcast<i32>(word), 8u * part, 8u)) * bitcast<f32>(head);
}
