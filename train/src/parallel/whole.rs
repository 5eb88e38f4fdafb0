//! A model that is in stages, put together again: for checkpoints, samples and the end of a run.

use std::vec::IntoIter;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor, TensorData},
};

use super::{Exchange, Pipe, sharded::with_values};
use crate::{TrainError, optim::AdamW, readback::Readback, step::Trainer, walk::Walk};

impl Trainer {
    /// The stage of this trainer, which has the whole model in host memory, that `walk` is over: its parameters with their
    /// moments, on the walk's device.
    pub(crate) fn stage(&self, walk: Walk, pipe: &Pipe) -> Self {
        let blocks = walk.first_layer..walk.first_layer + walk.policy.segments.last().map_or(0, |it| it.blocks.end);
        let mut stage = Self::new(self.model().part(blocks), walk, self.options().clone());
        stage.take_moments(pipe, self.optimizer());
        stage
    }

    /// Takes the moments of a stage's parameters over, or zeros where there are none yet: beside one another now, and not
    /// among what a step makes.
    pub(crate) fn take_moments(&mut self, pipe: &Pipe, from: &AdamW) {
        self.replace(|model, optimizer| {
            own(&model, pipe, &mut Moments { from, to: optimizer });
            model
        });
    }
}

/// Visits the parameters that a stage updates: those that no other has.
fn own(model: &hearth_model::Transformer, pipe: &Pipe, visitor: &mut impl ModuleVisitor) {
    if pipe.is_first() {
        model.embedding.visit(visitor);
    }
    model.blocks.visit(visitor);
    if pipe.is_last() {
        model.head.visit(visitor);
    }
}

struct Moments<'a> {
    from: &'a AdamW,
    to: &'a mut AdamW,
}

impl ModuleVisitor for Moments<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val().without_autodiff();
        let moments = match self.from.moments::<D>(param.id) {
            Some(moments) => moments.map(|moment| moment.to_device(&value.device())),
            None => [value.zeros_like(), value.zeros_like()],
        };
        self.to.set_moments(param.id, moments);
    }
}

/// Puts the stages of ranks 0 to `stages` together, in host memory: into what `make` gives, on rank 0.
pub(crate) fn whole(
    trainer: &Trainer,
    pipe: &Pipe,
    exchange: &mut Exchange,
    stages: usize,
    make: impl FnOnce() -> Result<Trainer, TrainError>,
) -> Result<Option<Trainer>, TrainError> {
    let fail = super::failure;
    let mut copies = Copies { optimizer: trainer.optimizer(), copies: Vec::new() };
    if exchange.rank() < stages {
        own(trainer.model(), pipe, &mut copies);
    }
    let mut copies = copies.copies.into_iter();
    let mut found = Vec::new();
    for stage in 0..stages {
        let is_root = exchange.rank() == stage;
        let count = exchange.broadcast((copies.len() as u64).to_le_bytes().to_vec(), stage).map_err(fail)?;
        let count = count.as_slice().try_into().map_or(0, u64::from_le_bytes);
        for _ in 0..count {
            let mut values: Vec<f32> = Vec::new();
            if is_root {
                for copy in copies.next().expect("so many were counted") {
                    let data = copy.wait().map_err(TrainError::of_device)?;
                    values.extend(data.iter::<f32>());
                }
            }
            let bytes = exchange.broadcast(bytemuck::cast_slice(&values).to_vec(), stage).map_err(fail)?;
            if exchange.rank() == 0 {
                found.push(bytemuck::pod_collect_to_vec::<u8, f32>(&bytes));
            }
        }
    }
    if exchange.rank() > 0 {
        return Ok(None);
    }
    let mut whole = make()?;
    whole.replace(|model, optimizer| model.map(&mut Set { optimizer, found: found.into_iter() }));
    Ok(Some(whole))
}

/// A parameter and, once there are any, its moments.
struct Copies<'a> {
    optimizer: &'a AdamW,
    copies: Vec<Vec<Readback>>,
}

impl ModuleVisitor for Copies<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let moments = self.optimizer.moments::<D>(param.id).into_iter().flatten();
        let tensors = [param.val().without_autodiff()].into_iter().chain(moments);
        self.copies.push(tensors.map(Readback::new).collect());
    }
}

struct Set<'a> {
    optimizer: &'a mut AdamW,
    found: IntoIter<Vec<f32>>,
}

impl ModuleMapper for Set<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (dims, count) = (param.dims(), param.shape().num_elements());
        let mut values = self.found.next().expect("the stages have all parameters");
        let mut moments = values.split_off(count.min(values.len()));
        if moments.len() == 2 * count {
            let second = moments.split_off(count);
            let tensor = |values| Tensor::from_data(TensorData::new(values, dims), &Device::flex());
            self.optimizer.set_moments::<D>(param.id, [moments, second].map(tensor));
        }
        with_values(param, values, &Device::flex())
    }
}
