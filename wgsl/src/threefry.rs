//! Threefry-2x32-20, a counter-based random function: the same key and counter give the same bits on every device.
//!
//! Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011. It needs only 32-bit
//! addition, rotation and exclusive or, which WGSL has; `dropout.wgsl` holds the same function for the device.

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
        threefry2x32(self.0, counter.map(|word| [word])).map(|[word]| word)
    }

    /// The first words, and the second ones, at the counters `[first, 0]`.
    #[inline(always)]
    pub(crate) fn words_at<const N: usize>(self, first: [u32; N]) -> [[u32; N]; 2] {
        threefry2x32(self.0, [first, [0; N]])
    }

    /// The key as two words, for a kernel.
    pub fn words(self) -> [u32; 2] {
        self.0
    }
}

/// Of `N` counters at once, which the compiler makes vectors of.
#[inline(always)]
fn threefry2x32<const N: usize>(key: [u32; 2], counter: [[u32; N]; 2]) -> [[u32; N]; 2] {
    let schedule = [key[0], key[1], PARITY ^ key[0] ^ key[1]];
    let mut x =
        [counter[0].map(|word| word.wrapping_add(schedule[0])), counter[1].map(|word| word.wrapping_add(schedule[1]))];
    for group in 0..5 {
        for rotation in ROTATIONS[group % 2] {
            x[0] = std::array::from_fn(|i| x[0][i].wrapping_add(x[1][i]));
            x[1] = std::array::from_fn(|i| x[1][i].rotate_left(rotation) ^ x[0][i]);
        }
        let injection = group + 1;
        x[0] = x[0].map(|word| word.wrapping_add(schedule[injection % 3]));
        x[1] = x[1].map(|word| word.wrapping_add(schedule[(injection + 1) % 3]).wrapping_add(injection as u32));
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
