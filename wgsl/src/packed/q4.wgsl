// 4 bits, times the scale in the lower half of the block's head, plus the minimum in the upper; half.wgsl stands before it. The
// product is exact, so that a sum in one rounding is the same.

fn number(word: u32, part: u32, head: u32) -> f32 {
    return f32((word >> (4u * part)) & 15u) * half_number(head & 0xffffu) + half_number(head >> 16u);
}
