//! How often something is done that only keeps a file up to date.

use std::time::{Duration, Instant};

/// The least time between two turns.
const LEAST: Duration = Duration::from_secs(5);
/// At most one in so many seconds goes into it, however slow the disk is.
const SHARE: u32 = 100;

/// When the next turn is due: at once for the first, then so that it takes little of the run's time.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Instant>);

impl Pace {
    /// Whether a turn is due.
    pub fn is_due(&self) -> bool {
        self.0.is_none_or(|next| Instant::now() >= next)
    }

    /// Takes a turn.
    pub fn take<T>(&mut self, turn: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = turn();
        let end = Instant::now();
        self.0 = Some(end + LEAST.max(SHARE * (end - start)));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn a_slow_turn_is_long_in_coming_again() {
        let mut pace = Pace::default();
        assert!(pace.is_due());
        pace.take(|| ());
        assert!(!pace.is_due() && pace.0.unwrap() <= Instant::now() + LEAST);
        pace.take(|| sleep(Duration::from_millis(60)));
        assert!(pace.0.unwrap() > Instant::now() + LEAST);
    }
}
