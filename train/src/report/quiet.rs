//! How often the same trouble is told.

use std::time::{Duration, Instant};

/// Time until the same is told again: a disk that is nearly full takes one record, and not the next.
const AGAIN: Duration = Duration::from_secs(600);

/// When something was last told.
#[derive(Debug, Default)]
pub(super) struct Quiet(Option<Instant>);

impl Quiet {
    /// Whether it is to be told now, which is then taken note of.
    pub fn is_over(&mut self) -> bool {
        let is_over = self.0.is_none_or(|told| told.elapsed() >= AGAIN);
        if is_over {
            self.0 = Some(Instant::now());
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once() {
        let mut quiet = Quiet::default();
        assert_eq!([quiet.is_over(), quiet.is_over()], [true, false]);
        quiet.0 = quiet.0.and_then(|told| told.checked_sub(AGAIN));
        assert!(quiet.is_over());
    }
}
