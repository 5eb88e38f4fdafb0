//! Tokens a second, and what share of the device's matrix rate that is.

use std::time::Instant;

/// Weight of the newest step in the moving average.
const NEWEST: f64 = 0.1;

/// Times the steps after the first ones, in which kernels are compiled.
pub(super) struct Throughput {
    tokens_per_step: f64,
    /// MFU of one token a second.
    mfu_per_token: f64,
    last: Option<Instant>,
    /// Moving average of a step's seconds.
    recent: Option<f64>,
    steps: u64,
    seconds: f64,
}

impl Throughput {
    pub fn new(tokens_per_step: u64, mfu_per_token: f64) -> Self {
        Self {
            tokens_per_step: tokens_per_step as f64,
            mfu_per_token,
            last: None,
            recent: None,
            steps: 0,
            seconds: 0.0,
        }
    }

    /// The first steps are over.
    pub fn start(&mut self) {
        self.last = Some(Instant::now());
    }

    /// A step's figures have arrived.
    pub fn step_done(&mut self) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(now) {
            let seconds = (now - last).as_secs_f64();
            self.recent = Some(self.recent.map_or(seconds, |recent| recent + NEWEST * (seconds - recent)));
            self.steps += 1;
            self.seconds += seconds;
        }
    }

    /// Evaluation or sampling is over; the time it took does not count.
    pub fn pause_over(&mut self) {
        if self.last.is_some() {
            self.last = Some(Instant::now());
        }
    }

    /// Tokens a second lately.
    pub fn recent(&self) -> Option<f64> {
        self.recent.map(|seconds| self.tokens_per_step / seconds)
    }

    /// Tokens a second over all steps.
    pub fn mean(&self) -> Option<f64> {
        (self.steps > 0).then(|| self.tokens_per_step * self.steps as f64 / self.seconds)
    }

    /// Model FLOPs utilisation lately, 0 to 1.
    pub fn mfu(&self) -> Option<f64> {
        self.recent().map(|tokens| tokens * self.mfu_per_token)
    }
}
