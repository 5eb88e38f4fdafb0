//! Which of the kernels run, so that any of them can be ruled out in a hunt for a wrong number.

use std::sync::atomic::{AtomicU32, Ordering};

/// A kernel that can be switched off; plain Burn operations then do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Kernel {
    /// [`adamw`](crate::adamw())
    AdamW,
    /// [`attention`](crate::attention())
    Attention,
    /// [`cross_entropy`](crate::cross_entropy())
    CrossEntropy,
    /// [`dropout`](crate::dropout())
    Dropout,
    /// [`embedding`](crate::embedding())
    Embedding,
    /// [`gelu`](crate::gelu) and [`swiglu`](crate::swiglu)
    Gate,
    /// [`norm`](crate::norm())
    Norm,
    /// [`rotate`](crate::rotate)
    Rope,
    /// [`add_squares`](crate::add_squares)
    Squares,
}

/// A bit for each kernel that is off.
static OFF: AtomicU32 = AtomicU32::new(0);

impl Kernel {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AdamW,
        Self::Attention,
        Self::CrossEntropy,
        Self::Dropout,
        Self::Embedding,
        Self::Gate,
        Self::Norm,
        Self::Rope,
        Self::Squares,
    ];

    /// Switches it on or off, for the whole process and what it asks for from now on. All are on at first.
    pub fn switch(self, on: bool) {
        let bit = 1 << self as u32;
        match on {
            true => OFF.fetch_and(!bit, Ordering::Relaxed),
            false => OFF.fetch_or(bit, Ordering::Relaxed),
        };
    }

    /// Whether it is on.
    pub fn is_on(self) -> bool {
        OFF.load(Ordering::Relaxed) & 1 << self as u32 == 0
    }

    /// The name that users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::AdamW => "adamw",
            Self::Attention => "attention",
            Self::CrossEntropy => "cross-entropy",
            Self::Dropout => "dropout",
            Self::Embedding => "embedding",
            Self::Gate => "gate",
            Self::Norm => "norm",
            Self::Rope => "rope",
            Self::Squares => "squares",
        }
    }
}
