//! Tokens a second, and what share of the devices' matrix rate that is.

use std::time::Duration;

/// Weight of the newest step in the moving average.
const NEWEST: f64 = 0.1;

/// Times the steps after the first ones, in which kernels are compiled.
pub(super) struct Throughput {
    tokens_per_step: f64,
    /// MFU of one token a second; `None` where the devices' rate is not known.
    mfu_per_token: Option<f64>,
    last: Option<Duration>,
    /// Moving average of a step's seconds.
    recent: Option<f64>,
    steps: u64,
    seconds: f64,
}

impl Throughput {
    pub fn new(tokens_per_step: u64) -> Self {
        let tokens_per_step = tokens_per_step as f64;
        Self { tokens_per_step, mfu_per_token: None, last: None, recent: None, steps: 0, seconds: 0.0 }
    }

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

    /// A step's figures have arrived.
    pub fn step_done(&mut self, now: Duration) {
        if let Some(last) = self.last.replace(now) {
            let seconds = now.saturating_sub(last).as_secs_f64();
            self.recent = Some(self.recent.map_or(seconds, |recent| recent + NEWEST * (seconds - recent)));
            self.steps += 1;
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
        self.recent.map(|seconds| self.tokens_per_step / seconds).filter(|rate| rate.is_finite())
    }

    /// Tokens a second over all steps.
    pub fn mean(&self) -> Option<f64> {
        let mean = (self.steps > 0).then(|| self.tokens_per_step * self.steps as f64 / self.seconds);
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
        let mut throughput = Throughput::new(100);
        let seconds = Duration::from_secs;
        let mut mfu = |flops, now| {
            throughput.set_devices(flops, 3.0);
            assert_eq!(throughput.mfu(), None);
            throughput.start(seconds(now));
            throughput.step_done(seconds(now + 1));
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
        let mut throughput = Throughput::new(100);
        throughput.start(Duration::ZERO);
        throughput.step_done(Duration::ZERO);
        assert_eq!((throughput.recent(), throughput.mean()), (None, None));
    }
}
