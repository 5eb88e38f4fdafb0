//! Memory that is used again.
//!
//! A step asks for the same sizes over and over. Fresh memory costs a fault a page and zeros that nobody reads, more than a
//! kernel that only reads and writes it; so what a tensor leaves behind goes to the next one of its size. What lies idle and
//! what is in use are together at most twice what was in use at once before: a step has activations at one time and gradients of
//! other sizes at another.

use std::{
    collections::VecDeque,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard, PoisonError},
};

use cubecl_environment::bytes::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

/// Floats below which the allocator's own lists serve as well.
const SMALLEST: usize = 1 << 12;

/// Memory for that many floats, with any values.
pub fn bytes(floats: usize) -> Bytes {
    let controller = Box::new(Scratch::new(floats));
    // SAFETY: all the buffer's bytes are initialised.
    unsafe { Bytes::from_controller(controller, floats * size_of::<f32>()) }
}

/// Buffers that nobody uses, those that have been so for longest first; counts are of floats.
#[derive(Debug, Default)]
struct Store {
    idle: VecDeque<Vec<f32>>,
    is_idle: usize,
    in_use: usize,
    /// The most that was in use at once.
    peak: usize,
}

static STORE: Mutex<Store> = Mutex::new(Store { idle: VecDeque::new(), is_idle: 0, in_use: 0, peak: 0 });

impl Store {
    fn lock() -> MutexGuard<'static, Self> {
        STORE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&mut self, floats: usize) -> Vec<f32> {
        self.in_use += floats;
        self.peak = self.peak.max(self.in_use);
        // The one that was left last may still be in a cache.
        if let Some(at) = self.idle.iter().rposition(|buffer| buffer.len() == floats) {
            self.is_idle -= floats;
            return self.idle.remove(at).expect("it was found there");
        }
        self.shrink();
        vec![0.0; floats]
    }

    fn give(&mut self, buffer: Vec<f32>) {
        self.in_use -= buffer.len();
        self.is_idle += buffer.len();
        self.idle.push_back(buffer);
        self.shrink();
    }

    /// Lets go of what is too much: of one buffer where one suffices, and then of the smallest such, so that a small need
    /// does not cost a large buffer.
    fn shrink(&mut self) {
        while self.is_idle + self.in_use > 2 * self.peak {
            let excess = self.is_idle + self.in_use - 2 * self.peak;
            let lengths = || self.idle.iter().map(Vec::len).enumerate();
            let suffices = lengths().filter(|(_, length)| *length >= excess).min_by_key(|(_, length)| *length);
            let Some((at, length)) = suffices.or_else(|| lengths().max_by_key(|(_, length)| *length)) else { return };
            self.idle.remove(at);
            self.is_idle -= length;
        }
    }
}

/// Memory of a tensor or a task, which goes back when that does.
pub struct Scratch(Vec<f32>);

impl Scratch {
    /// So many floats, of any values.
    pub fn new(floats: usize) -> Self {
        Self(if floats < SMALLEST { vec![0.0; floats] } else { Store::lock().take(floats) })
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.0.len() >= SMALLEST {
            Store::lock().give(std::mem::take(&mut self.0));
        }
    }
}

impl AllocationController for Scratch {
    fn alloc_align(&self) -> usize {
        align_of::<f32>()
    }

    fn property(&self) -> AllocationProperty {
        AllocationProperty::Other
    }

    unsafe fn memory_mut(&mut self, _policy: AccessPolicy) -> Result<&mut [MaybeUninit<u8>], AccessError> {
        let bytes = bytemuck::cast_slice_mut::<f32, u8>(&mut self.0);
        // SAFETY: the same bytes; callers promise to write none that are not initialised.
        Ok(unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) })
    }

    fn memory(&self, _policy: AccessPolicy) -> Result<&[MaybeUninit<u8>], AccessError> {
        let bytes = bytemuck::cast_slice::<f32, u8>(&self.0);
        // SAFETY: the same bytes, of a type that takes any.
        Ok(unsafe { &*(std::ptr::from_ref(bytes) as *const [MaybeUninit<u8>]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_at_most_twice_what_there_was() {
        let mut store = Store::default();
        let first = [5000, 5000, 7000].map(|floats| store.take(floats));
        let places = first.each_ref().map(|buffer| buffer.as_ptr());
        first.into_iter().for_each(|buffer| store.give(buffer));
        assert_eq!((store.is_idle, store.in_use, store.peak), (17_000, 0, 17_000));
        let again = store.take(5000);
        assert_eq!(again.as_ptr(), places[1]);
        store.give(again);
        for floats in [6000, 8000] {
            let other = store.take(floats);
            store.give(other);
        }
        assert_eq!((store.is_idle, store.idle.len()), (31_000, 5));
        // Too much: the smallest goes that makes room for it.
        let other = store.take(9000);
        assert_eq!(store.idle.iter().map(Vec::len).collect::<Vec<_>>(), [5000, 7000, 5000, 8000]);
        store.give(other);
        assert_eq!((store.is_idle, store.in_use, store.idle.len()), (34_000, 0, 5));
    }

    #[test]
    fn bytes_can_be_written_and_copied() {
        let mut bytes = bytes(SMALLEST);
        bytes.fill(1);
        let copy = bytes.clone();
        bytes.fill(2);
        assert!(copy.iter().all(|byte| *byte == 1) && bytes.iter().all(|byte| *byte == 2));
    }
}
