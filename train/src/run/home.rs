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
#[cfg(feature = "cli")]
use crate::report::Unstarted;
use crate::{
    TrainError,
    devices::OpenDevice,
    report::{Controls, EndReason, Report},
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
    controls: Arc<Controls>,
    stop: Arc<AtomicBool>,
    start: Instant,
    /// Time in pauses, during which the clock stands still.
    paused: Duration,
    /// Held until a step has been taken.
    #[cfg(feature = "cli")]
    unstarted: Option<Unstarted>,
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
        let controls = report.controls();
        let (report, start, paused) = (Some(report), Instant::now(), Duration::ZERO);
        Self(Rc::new(RefCell::new(Parts {
            report,
            listener,
            controls,
            stop,
            start,
            paused,
            #[cfg(feature = "cli")]
            unstarted: None,
            faults,
            device,
            memory_asked: None,
        })))
    }

    /// Until a step has been taken there is nothing to save.
    #[cfg(feature = "cli")]
    pub fn hold(&self, unstarted: Unstarted) {
        self.0.borrow_mut().unstarted = Some(unstarted);
    }

    /// Another device is the first rank's from here on.
    pub fn set_device(&self, device: OpenDevice) {
        self.0.borrow_mut().device = device;
    }

    /// Ends the reports: see [`Report::finish`].
    pub fn finish(&self, reason: EndReason, error: Option<String>) -> Option<PathBuf> {
        let report = {
            let mut parts = self.0.borrow_mut();
            #[cfg(feature = "cli")]
            drop(parts.unstarted.take());
            parts.report.take()
        };
        report.and_then(|report| report.finish(reason, error))
    }
}

impl Home for NativeHome {
    fn event(&mut self, mut event: Event) -> Result<(), TrainError> {
        let mut parts = self.0.borrow_mut();
        let parts = &mut *parts;
        #[cfg(feature = "cli")]
        if matches!(event, Event::Step(_)) {
            parts.unstarted = None;
        }
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
        let parts = self.0.borrow();
        parts.start.elapsed().saturating_sub(parts.paused)
    }

    fn wish(&mut self) -> Pin<Box<dyn Future<Output = Wish> + '_>> {
        let parts = &mut *self.0.borrow_mut();
        let before = Instant::now();
        let wish = parts.controls.next(&parts.stop);
        parts.paused += before.elapsed();
        Box::pin(ready(wish))
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
