//! Memory that is used again.
//!
//! A step asks for the same sizes over and over. Fresh memory costs a fault a page and zeros that nobody reads, more than a
//! kernel that only reads and writes it; so what a tensor leaves behind goes to the next one of its size.

use std::{
    collections::HashMap,
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

use cubecl_environment::bytes::{AccessError, AccessPolicy, AllocationController, AllocationProperty, Bytes};

/// Floats below which the allocator's own lists serve as well.
const SMALLEST: usize = 1 << 12;
/// Bytes that may lie about unused.
const MOST_IDLE: usize = 1 << 29;

/// Buffers that nobody uses, by their floats.
#[derive(Default)]
struct Idle {
    by_length: HashMap<usize, Vec<Vec<f32>>>,
    bytes: usize,
}

static IDLE: Mutex<Option<Idle>> = Mutex::new(None);

/// Memory for that many floats, with any values.
pub fn bytes(floats: usize) -> Bytes {
    let controller = Box::new(Scratch::new(floats));
    // SAFETY: all the buffer's bytes are initialised.
    unsafe { Bytes::from_controller(controller, floats * size_of::<f32>()) }
}

fn take(floats: usize) -> Vec<f32> {
    if floats >= SMALLEST {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = idle.get_or_insert_default();
        if let Some(buffer) = idle.by_length.get_mut(&floats).and_then(Vec::pop) {
            idle.bytes -= floats * size_of::<f32>();
            return buffer;
        }
    }
    vec![0.0; floats]
}

fn give(buffer: Vec<f32>) {
    let bytes = buffer.len() * size_of::<f32>();
    if buffer.len() < SMALLEST {
        return;
    }
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let idle = idle.get_or_insert_default();
    if idle.bytes + bytes > MOST_IDLE {
        // Sizes have changed: begin again.
        *idle = Idle::default();
    }
    idle.bytes += bytes;
    idle.by_length.entry(buffer.len()).or_default().push(buffer);
}

/// Memory of a tensor or a task, which goes back when that does.
pub struct Scratch(Vec<f32>);

impl Scratch {
    /// So many floats, of any values.
    pub fn new(floats: usize) -> Self {
        Self(take(floats))
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
        give(std::mem::take(&mut self.0));
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
