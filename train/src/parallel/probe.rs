//! A look into a rank's steps: for pictures of them, and for tests of what goes wrong in them.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::Instant,
};

use crate::readback;

/// A point in a rank's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The step begins.
    Begin,
    /// A stage has taken micro-batches forward, and none back yet. A rank with the whole model does not stop there.
    Forward,
    /// The walk is over, and the last gradients are on their way.
    Walked,
    /// The sums over all ranks are there.
    Reduced,
    /// The parameters are updated.
    Updated,
}

/// What a rank calls at the points of its steps, on the thread that takes them.
#[derive(Clone)]
pub struct Probe(Arc<dyn Fn(u64, Point) + Send + Sync>);

impl Probe {
    /// A probe that calls `look` with the number of the step.
    pub fn new(look: impl Fn(u64, Point) + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// Makes walks take `factor` times as long.
    pub fn slow(factor: f64) -> Self {
        let start = Mutex::new(Instant::now());
        Self::new(move |_, point| {
            let mut start = start.lock().unwrap_or_else(PoisonError::into_inner);
            match point {
                Point::Begin => *start = Instant::now(),
                Point::Walked => sleep(start.elapsed().mul_f64(factor - 1.0)),
                _ => {}
            }
        })
    }

    /// Loses the device at this point of this step, once: every copy that the rank asks for afterwards fails, while its
    /// thread goes on.
    pub fn lose_device(at_step: u64, at_point: Point) -> Self {
        let (is_done, life) = (AtomicBool::new(false), Arc::new(()));
        Self::new(move |step, point| {
            if (step, point) == (at_step, at_point) && !is_done.swap(true, Ordering::Relaxed) {
                readback::fail_copies(&life);
            }
        })
    }

    pub(super) fn at(&self, step: u64, point: Point) {
        (self.0)(step, point);
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}
