//! ZeRO stage 1: each rank updates its part of the parameters, and the parts are put together.
//!
//! The part is a piece of every parameter, or where a rule must not be cut, as Muon's, all of some.
//!
//! Rajbhandari et al. 2020, arXiv 1910.02054. The gradients are added up whole, and not just each rank's part, so that
//! their global norm has the bits that it has on one device.

use std::collections::{HashMap, VecDeque};

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};

use hearth_model::TransformerBlock;

use super::{
    CollectiveError, Exchange,
    host::{self, ParameterState},
};
use crate::{
    guard::Ceiling,
    optim::{Optimizer, StateShape, Step},
    step::{StepOutcome, Trainer},
    walk::Sink,
};

/// As [`Trainer::update_by`], where each rank of `line` updates its own part of the parameters.
pub(super) fn update<B: TransformerBlock>(
    trainer: &mut Trainer<B>,
    line: &mut Exchange,
    step: u64,
    figures: [Tensor<1>; 2],
    gradients: Sink,
    ceiling: &Ceiling,
) -> Result<StepOutcome, CollectiveError> {
    let (outcome, update, gradients) = trainer.prepare(step, figures, gradients, ceiling);
    let mut values = Ok(HashMap::new());
    trainer.replace(|model, optimizer| {
        let step = optimizer.begin(update);
        let mut parts = UpdateParts { step, gradients, line, in_flight: VecDeque::new(), values: Ok(HashMap::new()) };
        model.visit(&mut parts);
        parts.receive(0);
        values = parts.values;
        model
    });
    let mut values = values?;
    host::load(trainer, |id, _, _| {
        Ok(values.remove(&id).map(|values| ParameterState { values: Some(values), state: None }))
    })?;
    Ok(outcome)
}

/// Parts that may be in flight at once: until they have left, each is on the device beside the old values.
const AHEAD: usize = 4;

/// Updates parts, sends them on their way, and receives the whole values in host memory.
struct UpdateParts<'a> {
    step: Step<'a>,
    gradients: GradientsParams,
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
        let shape = gradient.dims();
        let length = shape.iter().product();
        let part = self.step.part(param.id, length);
        let own = |tensor: Tensor<D>| part.of(tensor.reshape([length]));
        let old = own(param.val().without_autodiff());
        let new = match part.elements(length) {
            0 => old,
            _ => self.step.updated(param.id, &shape, old, own(gradient)),
        };
        self.line.jobs().all_gather(new, length, &part);
        self.in_flight.push_back(param.id);
        self.receive(AHEAD);
    }
}

/// What is kept of each parameter, tensor by tensor, put together from all ranks of `line`, each of which gets it; nothing where the
/// optimizer is not sharded.
pub(super) fn all_gather_state<B: TransformerBlock>(
    trainer: &Trainer<B>,
    line: &mut Exchange,
) -> Result<HashMap<ParamId, Vec<Vec<f32>>>, CollectiveError> {
    let optimizer = trainer.optimizer();
    if !optimizer.is_sharded() {
        return Ok(HashMap::new());
    }
    let mut gather = GatherState { optimizer, line, whole: Ok(HashMap::new()) };
    trainer.model().visit(&mut gather);
    gather.whole
}

struct GatherState<'a> {
    optimizer: &'a Optimizer,
    line: &'a mut Exchange,
    whole: Result<HashMap<ParamId, Vec<Vec<f32>>>, CollectiveError>,
}

impl GatherState<'_> {
    /// Each tensor of `lengths` that is kept of a parameter on `device`.
    fn gather(&mut self, id: ParamId, lengths: &[usize], device: &Device) -> Result<Vec<Vec<f32>>, CollectiveError> {
        for (at, length) in lengths.iter().enumerate() {
            let own = self.optimizer.state(id).map_or_else(|| Tensor::zeros([0], device), |state| state[at].clone());
            self.line.jobs().all_gather(own, *length, &self.optimizer.part(id, *length));
        }
        lengths.iter().map(|_| self.line.receive()).collect()
    }
}

impl ModuleVisitor for GatherState<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.whole.is_err() || !self.optimizer.shares(param.id) {
            return;
        }
        let shapes = self.optimizer.state_shapes(param.id, &param.dims());
        let lengths: Vec<usize> = shapes.iter().map(StateShape::elements).collect();
        let gathered = self.gather(param.id, &lengths, &param.val().without_autodiff().device());
        match (&mut self.whole, gathered) {
            (Ok(whole), Ok(state)) => drop(whole.insert(param.id, state)),
            (whole, Err(error)) => *whole = Err(error),
            (Err(_), _) => {}
        }
    }
}
