//! ZeRO stage 1: each rank updates its part of every parameter, and the parts are put together.
//!
//! Rajbhandari et al. 2020, arXiv 1910.02054. The gradients are added up whole, and not just each rank's part, so that
//! their global norm has the bits that it has on one device.

use std::collections::{HashMap, VecDeque};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Device, Tensor, TensorData},
};

use super::{CollectiveError, Exchange};
use crate::{
    guard::Ceiling,
    optim::{AdamW, Shard, Step},
    step::{StepOutcome, Trainer},
    walk::Sink,
};

/// As [`Trainer::update`], with the work and the moments dealt out.
pub(super) fn update(
    trainer: &mut Trainer,
    exchange: &mut Exchange,
    shard: Shard,
    step: u64,
    loss: Tensor<1>,
    gradients: Sink,
    ceiling: &Ceiling,
) -> Result<StepOutcome, CollectiveError> {
    let (outcome, update, gradients) =
        trainer.prepare(step, [loss, gradients.norm(trainer.model())], gradients, ceiling);
    let device = trainer.walk().device.clone();
    let mut failed = None;
    trainer.replace(|model, optimizer| {
        let step = optimizer.begin(update);
        let (sent, values) = (VecDeque::new(), HashMap::new());
        let mut parts = Parts { step, gradients, shard, exchange, sent, values, failed: None };
        model.visit(&mut parts);
        parts.take(0);
        failed = parts.failed;
        model.map(&mut Gathered { values: parts.values, device })
    });
    failed.map_or(Ok(outcome), Err)
}

/// Parts that may be on their way at once: until they have left, each is on the device beside the old values.
const AHEAD: usize = 4;

/// Updates parts, sends them on their way, and takes the whole values to host memory.
struct Parts<'a> {
    step: Step<'a>,
    gradients: GradientsParams,
    shard: Shard,
    exchange: &'a mut Exchange,
    sent: VecDeque<ParamId>,
    values: HashMap<ParamId, Vec<f32>>,
    failed: Option<CollectiveError>,
}

impl Parts<'_> {
    /// Waits until at most so many are on their way.
    fn take(&mut self, left: usize) {
        while self.failed.is_none() && self.sent.len() > left {
            let id = self.sent.pop_front().expect("some are left");
            match self.exchange.receive() {
                Ok(values) => drop(self.values.insert(id, values)),
                Err(error) => self.failed = Some(error),
            }
        }
    }
}

impl ModuleVisitor for Parts<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let length = gradient.shape().num_elements();
        let old = self.shard.of(param.val().without_autodiff());
        let new = match self.shard.part(length).is_empty() {
            true => old,
            false => self.step.updated(param.id, old, self.shard.of(gradient), D > 1),
        };
        self.exchange.jobs().gather(new, length);
        self.sent.push_back(param.id);
        self.take(AHEAD);
    }
}

/// Gives each parameter its new values.
struct Gathered {
    values: HashMap<ParamId, Vec<f32>>,
    device: Device,
}

impl ModuleMapper for Gathered {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.values.remove(&param.id) {
            Some(values) => with_values(param, values, &self.device),
            None => param,
        }
    }
}

/// A parameter with other values, as tracked as it was.
pub(super) fn with_values<const D: usize>(
    param: Param<Tensor<D>>,
    values: Vec<f32>,
    device: &Device,
) -> Param<Tensor<D>> {
    let (id, old, mapper) = param.consume();
    let (shape, tracked) = (old.dims(), old.is_require_grad());
    drop(old);
    // Else Burn's queue may hold on to it until all are made. What fails here fails again where it is looked at.
    let _ = device.sync();
    let value = Tensor::from_inner(Tensor::from_data(TensorData::new(values, shape), device));
    Param::from_mapped_value(id, if tracked { value.require_grad() } else { value }, mapper)
}

/// The whole moments of each parameter, put together from all ranks, each of which gets them.
pub(crate) fn whole_moments(
    trainer: &Trainer,
    exchange: &mut Exchange,
) -> Result<HashMap<ParamId, [TensorData; 2]>, CollectiveError> {
    let Some(shard) = trainer.optimizer().is_sharded() else { return Ok(HashMap::new()) };
    let optimizer = trainer.optimizer();
    let mut moments = Moments { optimizer, shard, exchange, whole: HashMap::new(), failed: None };
    trainer.model().visit(&mut moments);
    moments.failed.map_or(Ok(moments.whole), Err)
}

struct Moments<'a> {
    optimizer: &'a AdamW,
    shard: Shard,
    exchange: &'a mut Exchange,
    whole: HashMap<ParamId, [TensorData; 2]>,
    failed: Option<CollectiveError>,
}

impl ModuleVisitor for Moments<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.shape();
        let length = shape.num_elements();
        let own = self.optimizer.moments::<1>(param.id);
        // Before the first update there are none anywhere; a part without elements never has any.
        if self.failed.is_some() || (own.is_none() && !self.shard.part(length).is_empty()) {
            return;
        }
        let device = param.val().without_autodiff().device();
        let own = own.unwrap_or_else(|| [(); 2].map(|()| Tensor::<1>::zeros([0], &device)));
        own.into_iter().for_each(|moment| self.exchange.jobs().gather(moment, length));
        let mut receive = || Ok(TensorData::new(self.exchange.receive()?, shape.clone()));
        match receive().and_then(|first| Ok([first, receive()?])) {
            Ok(both) => drop(self.whole.insert(param.id, both)),
            Err(error) => self.failed = Some(error),
        }
    }
}
