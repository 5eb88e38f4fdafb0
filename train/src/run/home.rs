//! The home of a session that is a native process: reports, a clock, a flag that ends it.

use std::{
    cell::RefCell,
    future::ready,
    ops::ControlFlow,
    path::PathBuf,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{InjectedFault, InjectedFaults};
use crate::{
    TrainError,
    devices::OpenDevice,
    report::{EndReason, Report},
    session::{Event, Home, Wish},
};

/// Seconds between two looks at the device's memory, for which its queue is asked.
const MEMORY_EVERY: Duration = Duration::from_secs(2);

/// A caller that hears of a run's events; it ends the run in order by [`ControlFlow::Break`].
pub type Listener = Box<dyn FnMut(&Event) -> ControlFlow<()>>;

/// A native home, by a handle: the session has one, and whoever drives it another.
#[derive(Clone)]
pub(super) struct NativeHome(Rc<RefCell<Parts>>);

struct Parts {
    report: Option<Report>,
    listener: Option<Listener>,
    stop: Arc<AtomicBool>,
    start: Instant,
    faults: Option<InjectedFaults>,
    /// The first rank's, which a fault may lose.
    device: OpenDevice,
    /// When the device's memory was last looked up.
    memory_asked: Option<Instant>,
}

impl NativeHome {
    pub fn new(
        report: Report,
        listener: Option<Listener>,
        stop: Arc<AtomicBool>,
        faults: Option<InjectedFaults>,
        device: OpenDevice,
    ) -> Self {
        let (report, start) = (Some(report), Instant::now());
        Self(Rc::new(RefCell::new(Parts { report, listener, stop, start, faults, device, memory_asked: None })))
    }

    /// Another device is the first rank's from here on.
    pub fn set_device(&self, device: OpenDevice) {
        self.0.borrow_mut().device = device;
    }

    /// Ends the reports: see [`Report::finish`].
    pub fn finish(&self, reason: EndReason, error: Option<String>) -> Option<PathBuf> {
        let report = self.0.borrow_mut().report.take();
        report.and_then(|report| report.finish(reason, error))
    }
}

impl Home for NativeHome {
    fn event(&mut self, mut event: Event) -> Result<(), TrainError> {
        let mut parts = self.0.borrow_mut();
        let parts = &mut *parts;
        if let Event::Step(metrics) | Event::Evaluation(metrics) = &mut event
            && parts.memory_asked.is_none_or(|asked| asked.elapsed() >= MEMORY_EVERY)
        {
            parts.memory_asked = Some(Instant::now());
            metrics.memory_bytes = parts.device.used_memory();
        }
        if let Some(listener) = &mut parts.listener
            && listener(&event).is_break()
        {
            parts.stop.store(true, Ordering::Relaxed);
        }
        Ok(parts.report.as_mut().map_or(Ok(()), |report| report.hear(&event))?)
    }

    fn now(&self) -> Duration {
        self.0.borrow().start.elapsed()
    }

    fn wish(&mut self) -> Pin<Box<dyn Future<Output = Wish> + '_>> {
        Box::pin(ready(Wish::Continue))
    }

    fn is_stopping(&self) -> bool {
        self.0.borrow().stop.load(Ordering::Relaxed)
    }

    fn loss_factor(&mut self, step: u64) -> f64 {
        let parts = &mut *self.0.borrow_mut();
        match parts.faults.as_mut().and_then(|faults| faults(step)) {
            Some(InjectedFault::Scale(factor)) => factor,
            Some(InjectedFault::LoseDevice) => {
                parts.device.lose();
                1.0
            }
            None => 1.0,
        }
    }
}
