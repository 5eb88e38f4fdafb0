//! Threads that stay awake while there is work for them.

use burn::tensor::Device;

use crate::{Kernel, choice::is_cpu};

/// Does `work` with all cores at hand, if its kernels run on the CPU: on one of the threads that share their tasks, while the
/// others wait for the next without falling asleep. From elsewhere every kernel would pay for waking them, which for a small
/// model takes as long as the kernel. For a training step or the like, one at a time: where there is one already, `work` is
/// done as it would be without.
pub fn on_all_cores<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    // Kernels that are off have no tasks.
    if is_cpu(device) && Kernel::Product.is_on() { scope(work) } else { work() }
}

#[cfg(target_family = "wasm")]
fn scope<R>(work: impl FnOnce() -> R) -> R {
    work()
}

#[cfg(not(target_family = "wasm"))]
use threads::scope;

#[cfg(not(target_family = "wasm"))]
mod threads {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::each;

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
