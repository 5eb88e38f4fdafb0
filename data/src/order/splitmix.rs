//! SplitMix64, as a function of seed and counter (Steele, Lea and Flood, "Fast Splittable Pseudorandom
//! Number Generators", OOPSLA 2014; finaliser: Stafford's variant 13 of MurmurHash3's).

/// 2^64 divided by the golden ratio, made odd: the step between the generator's states.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Output number `index` (from 0) of the SplitMix64 generator seeded with `seed`, in constant time.
pub(crate) fn splitmix64(seed: u64, index: u64) -> u64 {
    mix(seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA)))
}

/// A bijection of the 64-bit integers in which each input bit changes each output bit about half of the time.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first outputs of Vigna's reference implementation (prng.di.unimi.it/splitmix64.c) for this seed.
    #[test]
    fn equals_the_reference_implementation() {
        let outputs: Vec<u64> = (0..3).map(|index| splitmix64(1_234_567, index)).collect();
        assert_eq!(outputs, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
