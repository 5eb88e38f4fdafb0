//! Tokens a second, and what share of the devices' matrix rate that is.

use std::time::Duration;

/// Weight of the newest step in the moving average.
const NEWEST: f64 = 0.1;

/// Times the steps after the first ones, in which kernels are compiled.
#[derive(Default)]
pub(super) struct Throughput {
    /// MFU of one token a second; `None` where the devices' rate is not known.
    mfu_per_token: Option<f64>,
    last: Option<Duration>,
    /// Moving average of a token's seconds.
    recent: Option<f64>,
    tokens: f64,
    seconds: f64,
}

impl Throughput {
    /// Other devices take the steps from here on: they do so many FLOP a second, and a token takes so many.
    pub fn set_devices(&mut self, flops: f64, flops_per_token: f64) {
        self.mfu_per_token = (flops > 0.0).then_some(flops_per_token / flops);
        self.last = None;
        self.recent = None;
    }

    /// The first steps are over.
    pub fn start(&mut self, now: Duration) {
        self.last = Some(now);
    }

    /// The figures of a step of so many tokens have arrived.
    pub fn step_done(&mut self, now: Duration, tokens: u64) {
        if let Some(last) = self.last.replace(now) {
            let (seconds, tokens) = (now.saturating_sub(last).as_secs_f64(), tokens as f64);
            let each = seconds / tokens;
            self.recent = Some(self.recent.map_or(each, |recent| recent + NEWEST * (each - recent)));
            self.tokens += tokens;
            self.seconds += seconds;
        }
    }

    /// An evaluation or a sample is over; the time it took does not count.
    pub fn pause_over(&mut self, now: Duration) {
        if self.last.is_some() {
            self.last = Some(now);
        }
    }

    /// Tokens a second lately.
    pub fn recent(&self) -> Option<f64> {
        self.recent.map(|seconds| 1.0 / seconds).filter(|rate| rate.is_finite())
    }

    /// Tokens a second over all steps.
    pub fn mean(&self) -> Option<f64> {
        let mean = (self.tokens > 0.0).then(|| self.tokens / self.seconds);
        mean.filter(|rate| rate.is_finite())
    }

    /// Model FLOPs utilisation lately, 0 to 1.
    pub fn mfu(&self) -> Option<f64> {
        Some(self.recent()? * self.mfu_per_token?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utilisation_is_of_the_devices_that_are_left() {
        let mut throughput = Throughput::default();
        let seconds = Duration::from_secs;
        let mut mfu = |flops, now| {
            throughput.set_devices(flops, 3.0);
            assert_eq!(throughput.mfu(), None);
            throughput.start(seconds(now));
            throughput.step_done(seconds(now + 1), 100);
            throughput.mfu()
        };
        // 100 tokens a second of 3 FLOP each.
        assert_eq!(mfu(600.0, 0), Some(0.5));
        assert_eq!(mfu(300.0, 9), Some(1.0));
        assert_eq!(mfu(0.0, 20), None);
        assert_eq!(throughput.mean(), Some(100.0));
    }

    #[test]
    fn a_clock_that_stands_still_says_nothing_of_a_speed() {
        let mut throughput = Throughput::default();
        throughput.start(Duration::ZERO);
        throughput.step_done(Duration::ZERO, 100);
        assert_eq!((throughput.recent(), throughput.mean()), (None, None));
    }

    #[test]
    fn steps_of_all_sizes_have_the_rate_of_their_tokens() {
        let mut throughput = Throughput::default();
        throughput.start(Duration::ZERO);
        for (now, tokens) in [(1, 64), (3, 128), (7, 256)] {
            throughput.step_done(Duration::from_secs(now), tokens);
        }
        assert_eq!((throughput.recent(), throughput.mean()), (Some(64.0), Some(64.0)));
    }
}
