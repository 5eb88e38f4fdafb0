//! Work on all cores.

use burn::tensor::Device;

use crate::{Kernel, launch::is_cpu};

/// Elements of a task where every element is a few operations: large enough that starting it costs little, small enough
/// that two inputs and an output of it stay in a core's second cache.
pub const ELEMENTS: usize = 1 << 14;

/// Does `work` with all cores at hand, if its kernels run on the CPU: on one of the threads that share their tasks, while the
/// others wait for the next without falling asleep. From elsewhere every kernel would pay for waking them, which for a small
/// model takes as long as the kernel. For a training step or the like, one at a time: where there is one already, `work` is
/// done as it would be without.
pub fn on_all_cores<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    #[cfg(not(target_family = "wasm"))]
    if is_cpu(device) && Kernel::Product.is_on() {
        return awake::scope(work);
    }
    work()
}

#[cfg(not(target_family = "wasm"))]
mod awake {
    use std::sync::{
        Mutex, TryLockError,
        atomic::{AtomicBool, Ordering},
    };

    static SCOPE: Mutex<()> = Mutex::new(());

    /// Does `work` on a thread of the pool, with the others awake.
    pub fn scope<R: Send>(work: impl FnOnce() -> R + Send) -> R {
        let _scope = match SCOPE.try_lock() {
            Err(TryLockError::WouldBlock) => return work(),
            Err(TryLockError::Poisoned(scope)) => scope.into_inner(),
            Ok(scope) => scope,
        };
        let ended = &AtomicBool::new(false);
        rayon::scope(|scope| {
            let own = rayon::current_thread_index();
            for _ in 1..rayon::current_num_threads() {
                // The thread that does the work may come by this too, while it waits for a task.
                scope.spawn(move |_| {
                    if rayon::current_thread_index() != own {
                        wait_for_tasks(ended)
                    }
                });
            }
            let _end = End(ended);
            work()
        })
    }

    /// Set at the end, a panic's too.
    struct End<'a>(&'a AtomicBool);

    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn wait_for_tasks(ended: &AtomicBool) {
        while !ended.load(Ordering::Relaxed) {
            // Others who want the core are to have it, the thread that does the work for one.
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                std::thread::yield_now();
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(until: u64) -> u64 {
        let mut found = vec![0; 64];
        each(found.iter_mut().collect(), |number, sum| *sum = (0..until).sum::<u64>() + number as u64);
        found.into_iter().sum()
    }

    #[test]
    fn all_cores_do_what_one_would() {
        let device = Device::flex();
        let expected = sum(1000);
        assert_eq!(on_all_cores(&device, || on_all_cores(&device, || sum(1000))), expected);
        let both = [(); 2].map(|()| std::thread::spawn(|| on_all_cores(&Device::flex(), || sum(1000))));
        assert_eq!(both.map(|thread| thread.join().unwrap()), [expected; 2]);
        assert!(std::panic::catch_unwind(|| on_all_cores(&device, || panic!("on the way"))).is_err());
        assert_eq!(on_all_cores(&device, || sum(1000)), expected);
    }
}
