//! Work on all cores.

/// Elements of a task where every element is a few operations: large enough that starting it costs little, small enough
/// that two inputs and an output of it stay in a core's second cache.
pub const ELEMENTS: usize = 1 << 14;

/// Does `work` for each task, given its number too, on as many threads as there are; a single one where the caller is.
pub fn each<T: Send>(tasks: Vec<T>, work: impl Fn(usize, T) + Send + Sync) {
    #[cfg(not(target_family = "wasm"))]
    if tasks.len() > 1 {
        use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
        tasks.into_par_iter().with_max_len(1).enumerate().for_each(|(number, task)| work(number, task));
        return;
    }
    tasks.into_iter().enumerate().for_each(|(number, task)| work(number, task));
}

/// How many threads share tasks.
pub fn threads() -> usize {
    #[cfg(not(target_family = "wasm"))]
    return rayon::current_num_threads();
    #[cfg(target_family = "wasm")]
    return 1;
}

/// Piece `number` of a slice that is cut into pieces of `length`, of which the last may be shorter.
pub fn piece(slice: &[f32], number: usize, length: usize) -> &[f32] {
    let rest = &slice[number * length..];
    &rest[..rest.len().min(length)]
}

/// Slices of one length, in pieces of `length` (the last may be shorter), those of one place together.
pub fn split<const N: usize>(slices: [&mut [f32]; N], length: usize) -> Vec<[&mut [f32]; N]> {
    let count = slices.first().map_or(0, |slice| slice.len().div_ceil(length));
    let mut pieces = slices.map(|slice| slice.chunks_mut(length));
    let next = |_| pieces.each_mut().map(|pieces| pieces.next().expect("slices are of one length"));
    (0..count).map(next).collect()
}
