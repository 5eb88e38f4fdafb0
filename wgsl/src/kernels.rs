//! Which of the kernels run, so that any of them can be ruled out in a hunt for a wrong number.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU32, Ordering},
};

/// A kernel that can be switched off; plain Burn operations then do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kernel {
    /// That of [`adamw`](crate::adamw()).
    AdamW,
    /// Those of [`attention`](crate::attention()), and on the CPU of [`softmax`](crate::softmax()).
    Attention,
    /// Those of [`cross_entropy`](crate::cross_entropy()).
    CrossEntropy,
    /// That of [`dropout`](crate::dropout()).
    Dropout,
    /// Those of [`embedding`](crate::embedding()).
    Embedding,
    /// Those of [`route`](crate::route) and [`grouped`](crate::grouped).
    Experts,
    /// Those of [`gelu`](crate::gelu), [`relu_squared`](crate::relu_squared) and [`swiglu`](crate::swiglu).
    Gate,
    /// Those of [`norm`](crate::norm()).
    Norm,
    /// Those that unpack a [`PackedMatrix`](crate::PackedMatrix).
    Packed,
    /// Those of [`linear`](crate::linear()), [`add_product`](crate::add_product) and [`accumulate`](crate::accumulate); on a GPU in
    /// a browser alone.
    Product,
    /// That of [`rotate`](crate::rotate).
    Rope,
    /// That of [`add_squares`](crate::add_squares).
    Squares,
}

/// A bit for each kernel that is off.
static OFF: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// Whether this thread has all of them off.
    static PLAIN: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` with all kernels off on this thread, whatever is switched on: what it finds, the kernels can be compared with.
pub fn without_kernels<R>(work: impl FnOnce() -> R) -> R {
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            PLAIN.set(self.0);
        }
    }

    let _restore = Restore(PLAIN.replace(true));
    work()
}

impl Kernel {
    /// All kernels.
    pub const ALL: [Self; 12] = [
        Self::AdamW,
        Self::Attention,
        Self::CrossEntropy,
        Self::Dropout,
        Self::Embedding,
        Self::Experts,
        Self::Gate,
        Self::Norm,
        Self::Packed,
        Self::Product,
        Self::Rope,
        Self::Squares,
    ];

    /// Switches the kernel on or off for the whole process, from its next operation on. All are on at first.
    pub fn switch(self, on: bool) {
        let bit = 1 << self as u32;
        match on {
            true => OFF.fetch_and(!bit, Ordering::Relaxed),
            false => OFF.fetch_or(bit, Ordering::Relaxed),
        };
    }

    /// Whether the kernel is on, and this thread is not in [`without_kernels`].
    pub fn is_on(self) -> bool {
        !PLAIN.get() && OFF.load(Ordering::Relaxed) & 1 << self as u32 == 0
    }

    /// Whether it runs on GPUs. The CPU has all of them. Burn's products are chosen by timing, which a browser does without.
    pub fn has_wgsl_kernel(self) -> bool {
        self != Self::Product || cfg!(target_family = "wasm")
    }

    /// The kernel's name in configurations and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamW => "adamw",
            Self::Attention => "attention",
            Self::CrossEntropy => "cross-entropy",
            Self::Dropout => "dropout",
            Self::Embedding => "embedding",
            Self::Experts => "experts",
            Self::Gate => "gate",
            Self::Norm => "norm",
            Self::Packed => "packed",
            Self::Product => "product",
            Self::Rope => "rope",
            Self::Squares => "squares",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_work_is_a_threads_own_affair() {
        let on = || Kernel::Rope.is_on();
        let (inside, beside) = without_kernels(|| {
            without_kernels(|| ());
            (on(), std::thread::spawn(on).join().unwrap())
        });
        assert_eq!((inside, beside, on()), (false, true, true));
        let panicked = std::panic::catch_unwind(|| without_kernels(|| panic!("on the way")));
        assert!(panicked.is_err() && on());
    }
}
