//! What whoever watches a run asks of it.

use std::{
    collections::VecDeque,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::session::Wish;

/// How often a run that pauses looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

/// What whoever watches a run asks of it: wishes, which it meets before its next steps, and a pause.
#[derive(Debug, Default)]
pub struct Controls {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    wishes: VecDeque<Wish>,
    is_paused: bool,
}

impl Controls {
    /// Asks for `wish`; a run that pauses meets it when it goes on.
    pub fn ask(&self, wish: Wish) {
        let mut state = self.state();
        if !state.wishes.contains(&wish) {
            state.wishes.push_back(wish);
        }
    }

    /// Has the run pause before its next step, or go on.
    pub fn pause(&self, pause: bool) {
        self.state().is_paused = pause;
        self.changed.notify_all();
    }

    /// The next wish, once there is no pause, or `stop` is set.
    pub(crate) fn next(&self, stop: &AtomicBool) -> Wish {
        let mut state = self.state();
        while state.is_paused && !stop.load(Ordering::Relaxed) {
            state = self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.wishes.pop_front().unwrap_or(Wish::Continue)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread, time::Instant};

    use super::*;

    #[test]
    fn wishes_are_met_in_order_and_once() {
        let (controls, stop) = (Controls::default(), AtomicBool::new(false));
        [Wish::Sample, Wish::Evaluate, Wish::Sample].into_iter().for_each(|wish| controls.ask(wish));
        let met: Vec<_> = (0..3).map(|_| controls.next(&stop)).collect();
        assert_eq!(met, [Wish::Sample, Wish::Evaluate, Wish::Continue]);
    }

    #[test]
    fn a_pause_ends_by_going_on_or_by_stopping() {
        let (controls, stop) = (Arc::new(Controls::default()), Arc::new(AtomicBool::new(false)));
        // What `next` says, and after how many milliseconds, where `action` comes 150 ms later.
        let next = |action: fn(&Controls, &AtomicBool)| {
            controls.pause(true);
            let (other, flag, start) = (controls.clone(), stop.clone(), Instant::now());
            let later = thread::spawn(move || {
                thread::sleep(Duration::from_millis(150));
                action(&other, &flag);
            });
            let wish = controls.next(&stop);
            later.join().unwrap();
            (wish, start.elapsed().as_millis())
        };
        controls.ask(Wish::Checkpoint);
        let (wish, waited) = next(|controls, _| controls.pause(false));
        assert!(wish == Wish::Checkpoint && waited >= 150, "{wish:?} after {waited} ms");
        let (wish, waited) = next(|_, stop| stop.store(true, Ordering::Relaxed));
        assert!(wish == Wish::Continue && (150..5000).contains(&waited), "{wish:?} after {waited} ms");
    }
}
