//! What tests ask of every CPU kernel.

use crate::without_kernels;

/// Values that are no ordinary numbers, and one that is.
pub const ODD: [f32; 8] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, 1e-41, -0.0, 3.0];

/// Asserts that `found` returns the same bits in pools of 1, 2, 3 and 8 threads.
pub fn same_in_all_pools(found: impl Fn() -> Vec<f32> + Send + Sync) {
    let bits = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(&found).into_iter().map(f32::to_bits).collect::<Vec<_>>()
    };
    let alone = bits(1);
    assert!(!alone.is_empty());
    for threads in [2, 3, 8] {
        assert!(bits(threads) == alone, "{threads} threads give other bits than one");
    }
}

/// Asserts that `found` returns what plain operations do: no number where they have none, the same infinities, and the rest
/// within rounding.
pub fn same_without_kernels(found: impl Fn() -> Vec<f32>) {
    let (found, expected) = (found(), without_kernels(&found));
    assert!(!found.is_empty() && found.len() == expected.len());
    for (at, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        let same = found == expected || found.is_nan() && expected.is_nan();
        let near = (found - expected).abs() <= 1e-5 * expected.abs() + 1e-7;
        assert!(same || near, "[{at}]: {found} is not {expected}");
    }
}
