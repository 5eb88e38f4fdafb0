//! The plans of devices that experts are dealt out over: the first, which has all the rest, and the others.

use std::ops::Range;

use hearth_model::{Activation, TransformerConfig, dealt};

use super::{
    Choice, Cut, DeviceLimits, Extent, Planner, Rates, Subject,
    choose::{budget, choose_as, mib},
    size::bytes,
    weights::{Part, Weights},
};
use crate::{
    TrainConfig, TrainError,
    walk::{Activations, Segment},
};

/// The plan of the first of `limits.len()` devices that experts are dealt out over, and the bytes that each of the others takes. Steps
/// are cut as the `earlier` ones of the run that goes on, if there are any.
///
/// # Errors
/// Those of [`choose`](super::choose); experts that do not fit their device, or are fewer than devices.
pub fn experts_plan(
    config: &TrainConfig,
    limits: &[&DeviceLimits],
    rates: &Rates,
    earlier: Option<Cut>,
) -> Result<(Choice, Vec<u64>), TrainError> {
    let refuse = |reason: String| TrainError::Config { source_name: "parallel.experts".into(), reason };
    let (experts, devices) = (config.model.experts, limits.len());
    if experts == 0 {
        return Err(refuse("the model has no experts to deal out: set model.experts, or leave it out".into()));
    }
    if experts < devices {
        return Err(refuse(format!(
            "model.experts = {experts} for {devices} devices: name one device for an expert at most"
        )));
    }
    // Parameters stay on their devices.
    let first = DeviceLimits { apart: false, ..limits[0].clone() };
    let extent = Extent { expert_devices: devices, ..Extent::WHOLE };
    let mut choice = choose_as(config, &first, rates, &extent)?;
    // One that was made for a device alone may have parameters in host memory.
    if let Some(cut) = earlier.filter(|cut| !cut.policy.uses_host()) {
        choice.plan = Planner::new(Subject { extent, ..Subject::of(config) }, &first, rates).plan(cut);
    }
    if choice.plan.cut.policy.uses_host() {
        return Err(refuse("experts stay on their devices: leave out memory.parameters = \"host\"".into()));
    }
    let taken: Vec<u64> = (1..devices).map(|at| expert_bytes(config, &choice.plan.cut, at, limits)).collect();
    for (at, bytes) in taken.iter().enumerate() {
        if let Some(budget) = budget(config, limits[at + 1]).filter(|budget| bytes > budget) {
            let reason = format!(
                "the experts of device {} take {} of {}: name more devices, or lower batch.micro_batch",
                at + 1,
                mib(*bytes),
                mib(budget)
            );
            return Err(refuse(reason));
        }
    }
    Ok((choice, taken))
}

/// The most bytes that device `at` takes in a step: of its experts, and of what it holds of the rows of all.
fn expert_bytes(config: &TrainConfig, cut: &Cut, at: usize, limits: &[&DeviceLimits]) -> u64 {
    let subject = Subject::of(config);
    let own = dealt(config.model.experts, limits.len()).swap_remove(at);
    let of = |experts| Weights::with_experts(&subject, limits[at].kernels, experts).blocks;
    let blocks: Vec<Part> = of(own).into_iter().zip(of(0..0)).map(|(with, without)| with.less(without)).collect();
    let sum = |size: fn(&Part) -> u64| blocks.iter().map(size).sum::<u64>();
    let (weights, gradients) = (sum(|it| it.parameters + it.state), sum(|it| it.trained));
    let (tape, live) = rows(&config.model, cut.micro_batch * config.model.context_length);
    let tapes = |blocks: Range<usize>| tape * blocks.filter(|at| config.model.has_experts(*at)).count() as u64;

    let kept = |segment: &&Segment| segment.activations == Activations::Keep;
    let mut held = cut.policy.segments.iter().filter(kept).map(|it| tapes(it.blocks.clone())).sum::<u64>();
    let mut sink = if cut.accumulation > 1 { gradients } else { 0 };
    let mut most = gradients + blocks.iter().map(|it| it.update).max().unwrap_or(0);
    for segment in cut.policy.segments.iter().rev() {
        if !kept(&segment) {
            held += tapes(segment.blocks.clone());
        }
        for at in segment.blocks.clone().rev().filter(|at| config.model.has_experts(*at)) {
            most = most.max(sink + blocks[at].trained + held + live);
            held -= tape;
            if cut.accumulation == 1 {
                sink += blocks[at].trained;
            }
        }
    }
    weights + most
}

/// Bytes of what a block's tape holds of the rows of all experts, and of what its backward pass makes of them.
fn rows(model: &TransformerConfig, positions: usize) -> (u64, u64) {
    let of = |channels| bytes([positions, model.experts_per_token, channels]);
    let (spread, hidden) = (of(model.width), of(model.expert_width()));
    let products = match model.mlp {
        Activation::Geglu => 3,
        activation if activation.is_gated() => 2,
        _ => 1,
    };
    // The rows and what is inside the networks; then gradients of both, those of rows also with zeros for others' and on their way
    // between devices.
    let inside = (products + 1) * hidden;
    (spread + inside, (4 + products) * spread + inside)
}
