//! Whether the number of threads shows.

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
