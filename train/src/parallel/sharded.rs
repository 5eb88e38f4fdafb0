//! ZeRO stage 1: each rank updates its part of every parameter, and the parts are put together.
//!
//! Rajbhandari et al. 2020, arXiv 1910.02054. The gradients are added up whole, and not just each rank's part, so that
//! their global norm has the bits that it has on one device.

use std::collections::{HashMap, VecDeque};

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Tensor, TensorData},
};

use super::{
    CollectiveError, Exchange,
    host::{self, ParameterState},
};
use crate::{
    guard::Ceiling,
    optim::{AdamW, OptimizerShard, Step},
    step::{StepOutcome, Trainer},
    walk::Sink,
};

/// As [`Trainer::update_by`], where each rank of `line` updates its own part of every parameter.
pub(super) fn update(
    trainer: &mut Trainer,
    line: &mut Exchange,
    step: u64,
    figures: [Tensor<1>; 2],
    gradients: Sink,
    ceiling: &Ceiling,
) -> Result<StepOutcome, CollectiveError> {
    let (outcome, update, gradients) = trainer.prepare(step, figures, gradients, ceiling);
    let shard = trainer.optimizer().is_sharded().expect("the optimizer is sharded");
    let mut values = Ok(HashMap::new());
    trainer.replace(|model, optimizer| {
        let step = optimizer.begin(update);
        let mut parts =
            UpdateParts { step, gradients, shard, line, in_flight: VecDeque::new(), values: Ok(HashMap::new()) };
        model.visit(&mut parts);
        parts.receive(0);
        values = parts.values;
        model
    });
    let mut values = values?;
    host::load(trainer, |id, _| {
        Ok(values.remove(&id).map(|values| ParameterState { values: Some(values), moments: None }))
    })?;
    Ok(outcome)
}

/// Parts that may be in flight at once: until they have left, each is on the device beside the old values.
const AHEAD: usize = 4;

/// Updates parts, sends them on their way, and receives the whole values in host memory.
struct UpdateParts<'a> {
    step: Step<'a>,
    gradients: GradientsParams,
    shard: OptimizerShard,
    line: &'a mut Exchange,
    in_flight: VecDeque<ParamId>,
    values: Result<HashMap<ParamId, Vec<f32>>, CollectiveError>,
}

impl UpdateParts<'_> {
    /// Waits until at most so many are in flight.
    fn receive(&mut self, left: usize) {
        while let Ok(values) = &mut self.values
            && self.in_flight.len() > left
        {
            let id = self.in_flight.pop_front().expect("some are left");
            match self.line.receive() {
                Ok(new) => drop(values.insert(id, new)),
                Err(error) => self.values = Err(error),
            }
        }
    }
}

impl ModuleVisitor for UpdateParts<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let length = gradient.shape().num_elements();
        let old = self.shard.of(param.val().without_autodiff());
        let new = match self.shard.part(length).is_empty() {
            true => old,
            false => self.step.updated(param.id, old, self.shard.of(gradient), D > 1),
        };
        self.line.jobs().all_gather(new, length);
        self.in_flight.push_back(param.id);
        self.receive(AHEAD);
    }
}

/// The whole moments of each parameter, put together from all ranks of `line`, each of which gets them; none where the
/// optimizer is not sharded.
pub(super) fn all_gather_moments(
    trainer: &Trainer,
    line: &mut Exchange,
) -> Result<HashMap<ParamId, [TensorData; 2]>, CollectiveError> {
    let optimizer = trainer.optimizer();
    let Some(shard) = optimizer.is_sharded() else { return Ok(HashMap::new()) };
    let mut gather = GatherMoments { optimizer, shard, line, whole: Ok(HashMap::new()) };
    trainer.model().visit(&mut gather);
    gather.whole
}

struct GatherMoments<'a> {
    optimizer: &'a AdamW,
    shard: OptimizerShard,
    line: &'a mut Exchange,
    whole: Result<HashMap<ParamId, [TensorData; 2]>, CollectiveError>,
}

impl ModuleVisitor for GatherMoments<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.shape();
        let length = shape.num_elements();
        let own = self.optimizer.moments::<1>(param.id);
        let Ok(whole) = &mut self.whole else { return };
        // Before the first update there are none anywhere; a part without elements never has any.
        if own.is_none() && !self.shard.part(length).is_empty() {
            return;
        }
        let device = param.val().without_autodiff().device();
        let own = own.unwrap_or_else(|| [(); 2].map(|()| Tensor::<1>::zeros([0], &device)));
        own.into_iter().for_each(|moment| self.line.jobs().all_gather(moment, length));
        let mut receive = || Ok(TensorData::new(self.line.receive()?, shape.clone()));
        match receive().and_then(|first| Ok([first, receive()?])) {
            Ok(both) => drop(whole.insert(param.id, both)),
            Err(error) => self.whole = Err(error),
        }
    }
}
