//! A trainer, made from a configuration and an origin.

use std::ops::Range;

use burn::{module::Module, tensor::Device};

use super::first_model::first_model;
use crate::{
    TrainConfig, TrainError, checkpoint,
    plan::{Choice, Cut, Plan, mib},
    session::Origin,
    step::{StepOptions, Trainer},
    walk::Walk,
};

/// The walk of a device that takes its steps as `cut` says, over these blocks of the model or, where there are none, over
/// all of it.
pub(crate) fn walk(config: &TrainConfig, blocks: Option<Range<usize>>, cut: &Cut, device: &Device) -> Walk {
    let blocks = blocks.unwrap_or(0..config.model.layers);
    let mut walk = Walk::over(&config.model, blocks, config.model.context_length, device);
    walk.loss.z_loss = config.loss.z_loss;
    walk.balance = config.loss.router_balance;
    walk.loss.chunk = cut.logits_chunk;
    walk.policy = cut.policy.clone();
    walk
}

/// The whole model with its optimizer as they are at the origin, on `device` or, where its parameters live in host memory,
/// there.
///
/// # Errors
/// A checkpoint that does not fit.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn trainer(
    config: &TrainConfig,
    cut: &Cut,
    device: &Device,
    origin: &Origin,
) -> Result<Trainer, TrainError> {
    trainer_with_experts_on(config, cut, device, &[], origin)
}

/// As [`trainer`], with the experts of each block dealt out over `device` and these others.
///
/// # Errors
/// As [`trainer`].
pub(crate) fn trainer_with_experts_on(
    config: &TrainConfig,
    cut: &Cut,
    device: &Device,
    others: &[Device],
    origin: &Origin,
) -> Result<Trainer, TrainError> {
    // The whole model may be more than one of several devices has.
    let home = if cut.policy.uses_host() || !others.is_empty() { Device::flex() } else { device.clone() };
    let mut walk = walk(config, None, cut, device);
    if !others.is_empty() {
        walk.expert_devices = [&[walk.device.clone()], others].concat();
    }
    let options = StepOptions {
        optimizer: config.optimizer.clone(),
        schedule: config.schedule.clone(),
        total_steps: config.total_steps(),
        seed: config.seed,
    };
    let model = match origin {
        Origin::Model(model) => model.as_ref().clone().to_device(&home).train(),
        // What is frozen beside adapters is in no checkpoint.
        _ if matches!(origin, Origin::Seed) || config.model.adapter.is_some() => first_model(config, &home)?.train(),
        _ => config.model.init(config.seed, &home.autodiff())?,
    };
    let mut trainer = Trainer::new(model, walk, options);
    match origin {
        Origin::Seed | Origin::Model(_) => {}
        Origin::Weights(checkpoint) => checkpoint::restore_weights(&mut trainer, checkpoint)?,
        Origin::Checkpoint(checkpoint, _) => checkpoint::restore(&mut trainer, checkpoint)?,
    }
    Ok(trainer)
}

/// A choice in words, for people.
pub(crate) fn choice_note(choice: &Choice) -> String {
    let of = choice.budget.map_or(String::new(), |budget| format!(" of {}", mib(budget)));
    format!("{}{of}", plan_note(&choice.plan))
}

/// A plan in words, for people.
pub(crate) fn plan_note(plan: &Plan) -> String {
    format!("a step is {}: about {}", plan.cut, mib(plan.peak_bytes()))
}
