//! One run of a ladder.

use super::{Machine, Member};
use crate::{TrainConfig, TrainError};

/// One run of a ladder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rung {
    /// Its model.
    pub member: Member,
    /// Its configuration.
    pub config: TrainConfig,
    /// Training tokens.
    pub tokens: u64,
    /// Floating-point operations of its training, by what the model's layers tell.
    pub flops: f64,
    /// Seconds that it is planned to take, without evaluation; or why it does not fit the device.
    pub seconds: Result<f64, String>,
}

impl Rung {
    /// Steps that a run has at least: fewer teach next to nothing.
    pub(super) const LEAST_STEPS: u64 = 10;

    /// The run of `member` that sees about so many tokens: `config` with that model, its schedule stretched to the run's steps,
    /// evaluated at the end alone.
    pub(super) fn new(config: &TrainConfig, member: Member, tokens: f64, machine: &Machine) -> Self {
        let per_step = config.tokens_per_step();
        // A number of steps beyond all others stays one.
        let steps = ((tokens / per_step as f64).round() as u64).clamp(1, u64::MAX / per_step.max(1));
        let config = stretched(config, &member, steps);
        let tokens = steps * per_step;
        let seconds = match config.validate() {
            Ok(()) => machine.step_seconds(&config).map(|seconds| seconds * steps as f64),
            Err(error) => Err(error),
        };
        let seconds = seconds.map_err(|error| error.to_string());
        Self { flops: tokens as f64 * member.flops_per_token, member, config, tokens, seconds }
    }

    /// The name of its folder: blocks, heads, width and steps.
    pub fn name(&self) -> String {
        format!("{}-S{}", model_name(&self.member), self.steps())
    }

    /// Its steps.
    pub fn steps(&self) -> u64 {
        self.config.limits.steps
    }

    pub(super) fn is_valid(&self) -> bool {
        self.config.validate().is_ok()
    }

    /// # Errors
    /// A field of the configuration does not fit this model, as a name in `optimizer.groups` of a block that it has not.
    pub(super) fn validate(&self) -> Result<(), TrainError> {
        self.config.validate().map_err(|error| TrainError::Config {
            source_name: format!("the ladder's {}", self.name()),
            reason: error.to_string(),
        })
    }
}

/// A model's name by its shape, as `L3-H6-C96`.
pub fn model_name(member: &Member) -> String {
    let model = &member.model;
    format!("L{}-H{}-C{}", model.layers, model.heads, model.width)
}

/// `config` with another model and so many steps.
fn stretched(config: &TrainConfig, member: &Member, steps: u64) -> TrainConfig {
    let mut stretched = config.clone();
    let share = |of: u64| (of as f64 * steps as f64 / config.total_steps() as f64).round() as u64;
    stretched.model = member.model.clone();
    (stretched.limits.steps, stretched.limits.tokens) = (steps, 0);
    stretched.schedule.warmup_steps = share(config.schedule.warmup_steps);
    stretched.schedule.decay_steps = share(config.schedule.decay_steps);
    (stretched.evaluation.every, stretched.evaluation.patience) = (0, 0);
    stretched.sample.every = 0;
    let checkpoint = &mut stretched.checkpoint;
    (checkpoint.keep_last, checkpoint.keep_every, checkpoint.keep_best) = (1, 0, false);
    stretched
}

#[cfg(test)]
mod tests {
    use hearth_model::TransformerConfig;

    use super::*;
    use crate::{
        plan::{DeviceLimits, Rates},
        scale::Family,
    };

    #[test]
    fn the_schedule_is_stretched_to_the_runs_steps() {
        let mut config = TrainConfig::new(TransformerConfig::llama(65, 32, 4, 64, 4));
        (config.limits.steps, config.schedule.warmup_steps) = (1000, 100);
        config.evaluation.patience = 3;
        let machine = Machine::new(DeviceLimits::of_host(), Rates::of_flops(1e10));
        let member = Family::of(&config.model).member(2);
        let rung = Rung::new(&config, member, 256.0 * 300.2, &machine);
        assert_eq!((rung.tokens, rung.steps(), rung.name()), (256 * 300, 300, "L2-H2-C32-S300".into()));
        assert_eq!((rung.config.schedule.warmup_steps, rung.config.evaluation.patience), (30, 0));
        assert!(rung.seconds.unwrap() > 0.0);
    }
}
