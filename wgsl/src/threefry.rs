//! Threefry-2x32-20, a counter-based random function: the same key and counter give the same bits on every device.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. It needs only 32-bit
//! addition, rotation and exclusive or, which WGSL has; `dropout.wgsl` holds the same function for the device.

use crate::cpu::Simd;

const ROTATIONS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
/// Key schedule parity, section 3.2 of the paper.
const PARITY: u32 = 0x1BD1_1BDA;

/// A key of the random function: what a stream of random bits depends on.
///
/// Keys are derived, never drawn: [`Key::new`] takes the run's seed, [`Key::fold_in`] narrows it to a step,
/// a micro-batch, a layer. Two places with different paths from the seed have unrelated bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u32; 2]);

impl Key {
    /// The root key of a run.
    pub fn new(seed: u64) -> Self {
        Self([seed as u32, (seed >> 32) as u32])
    }

    /// The key of the `index`-th branch below this one.
    pub fn fold_in(self, index: u64) -> Self {
        Self(self.bits([index as u32, (index >> 32) as u32]))
    }

    /// The two random words at `counter`.
    pub fn bits(self, counter: [u32; 2]) -> [u32; 2] {
        threefry2x32(self.0, counter)
    }

    /// The two random words at each of the counters `[first, 0]`, as many as a vector has.
    #[inline(always)]
    pub(crate) fn vectors<S: Simd>(self, simd: S, first: S::u32s) -> [S::u32s; 2] {
        let schedule = schedule(self.0);
        let add = |x, word| simd.add_u32s(x, simd.splat_u32s(word));
        let mut x = [add(first, schedule[0]), simd.splat_u32s(schedule[1])];
        for group in 0..5 {
            for rotation in ROTATIONS[group % 2] {
                x[0] = simd.add_u32s(x[0], x[1]);
                let left = simd.wrapping_dyn_shl_u32s(x[1], simd.splat_u32s(rotation));
                let right = simd.wrapping_dyn_shr_u32s(x[1], simd.splat_u32s(32 - rotation));
                x[1] = simd.xor_u32s(simd.or_u32s(left, right), x[0]);
            }
            let injection = group + 1;
            x[0] = add(x[0], schedule[injection % 3]);
            x[1] = add(x[1], schedule[(injection + 1) % 3].wrapping_add(injection as u32));
        }
        x
    }

    /// The key as two words, for a kernel.
    pub fn words(self) -> [u32; 2] {
        self.0
    }
}

/// What is added to the words between rounds, in turn.
#[inline(always)]
fn schedule(key: [u32; 2]) -> [u32; 3] {
    [key[0], key[1], PARITY ^ key[0] ^ key[1]]
}

fn threefry2x32(key: [u32; 2], counter: [u32; 2]) -> [u32; 2] {
    let schedule = schedule(key);
    let mut x = [counter[0].wrapping_add(schedule[0]), counter[1].wrapping_add(schedule[1])];
    for group in 0..5 {
        for rotation in ROTATIONS[group % 2] {
            x[0] = x[0].wrapping_add(x[1]);
            x[1] = x[1].rotate_left(rotation) ^ x[0];
        }
        let injection = group + 1;
        x[0] = x[0].wrapping_add(schedule[injection % 3]);
        x[1] = x[1].wrapping_add(schedule[(injection + 1) % 3]).wrapping_add(injection as u32);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that ship with the authors' Random123 library (`kat_vectors`, threefry2x32, 20 rounds).
    #[test]
    fn known_answers() {
        let cases = [
            ([0, 0], [0, 0], [0x6b20_0159, 0x99ba_4efe]),
            ([u32::MAX; 2], [u32::MAX; 2], [0x1cb9_96fc, 0xbb00_2be7]),
            ([0x1319_8a2e, 0x0370_7344], [0x243f_6a88, 0x85a3_08d3], [0xc492_3a9c, 0x483d_f7a0]),
        ];
        for (key, counter, expected) in cases {
            assert_eq!(Key(key).bits(counter), expected);
        }
    }

    #[test]
    fn branches_differ() {
        let root = Key::new(7);
        assert_ne!(root.fold_in(0), root.fold_in(1));
        assert_ne!(root.fold_in(0).fold_in(1), root.fold_in(1).fold_in(0));
        assert_ne!(Key::new(1 << 32), Key::new(1));
    }
}
