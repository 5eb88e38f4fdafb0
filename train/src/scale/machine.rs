//! What a device can hold, and how long it takes.

use crate::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    plan::{DeviceLimits, Plan, Rates, choose},
};

/// What a device can hold, and how long it takes: the planner's word, corrected by what was measured.
#[derive(Clone, Debug)]
pub struct Machine {
    limits: DeviceLimits,
    rates: Rates,
    /// Seconds that were measured, for each that was planned.
    correction: f64,
}

impl Machine {
    /// The device, whose matrix rate is measured if it was not before.
    pub fn of(device: &OpenDevice) -> Self {
        Self::new(device.limits.clone(), Rates::of_flops(device.flops()))
    }

    pub(super) fn new(limits: DeviceLimits, rates: Rates) -> Self {
        Self { limits, rates, correction: 1.0 }
    }

    /// The same, where what was planned to take so many seconds took so many.
    pub fn corrected(self, planned: f64, measured: f64) -> Self {
        let correction = if planned > 0.0 && measured > 0.0 { measured / planned } else { 1.0 };
        Self { correction, ..self }
    }

    /// Seconds of a step of `config`.
    ///
    /// # Errors
    /// It does not fit the device.
    pub fn step_seconds(&self, config: &TrainConfig) -> Result<f64, TrainError> {
        Ok(self.plan(config)?.seconds * self.correction)
    }

    fn plan(&self, config: &TrainConfig) -> Result<Plan, TrainError> {
        Ok(choose(config, &self.limits, &self.rates)?.plan)
    }
}
