//! Parameters and moments in host memory, where ranks exchange them, and back on a device.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Device, Tensor, TensorData},
};
use hearth_model::Transformer;

use super::CollectiveError;
use crate::{TrainError, optim::AdamW, readback::Readback, step::Trainer};

/// New values of a parameter and of its moments; `None` leaves them as they are.
pub(super) struct ParameterState {
    pub values: Option<Vec<f32>>,
    pub moments: Option<[Vec<f32>; 2]>,
}

/// Waits for a copy from the device of rank `rank`.
pub(super) fn wait(copy: Readback, rank: usize) -> Result<TensorData, CollectiveError> {
    copy.wait().map_err(|error| CollectiveError::Device { rank, reason: TrainError::of_device(error).to_string() })
}

/// As [`wait`], flat.
pub(super) fn values(copy: Readback, rank: usize) -> Result<Vec<f32>, CollectiveError> {
    Ok(wait(copy, rank)?.try_into_vec().expect("what ranks exchange is f32"))
}

/// Every parameter of `model`, end to end, copied from the device of rank `rank`.
pub(super) fn flat(model: &Transformer, rank: usize) -> Result<Vec<f32>, CollectiveError> {
    let mut copies = Vec::new();
    model.visit(&mut CopyEach::new(None, |_, copy| copies.extend(copy)));
    let mut all = Vec::new();
    for copy in copies {
        all.extend(wait(copy, rank)?.iter::<f32>());
    }
    Ok(all)
}

/// The first and second moments of every parameter, end to end, copied from the device of rank `rank`; zeros where there are
/// none yet.
pub(super) fn flat_moments(trainer: &Trainer, rank: usize) -> Result<[Vec<f32>; 2], CollectiveError> {
    let mut copies = Vec::new();
    trainer.model().visit(&mut CopyMoments { optimizer: trainer.optimizer(), copies: &mut copies });
    let mut all = [Vec::new(), Vec::new()];
    for (count, both) in copies {
        match both {
            None => all.iter_mut().for_each(|values| values.resize(values.len() + count, 0.0)),
            Some(both) => {
                for (values, copy) in all.iter_mut().zip(both) {
                    values.extend(wait(copy, rank)?.iter::<f32>());
                }
            }
        }
    }
    Ok(all)
}

/// Queues copies of moments, with the number of elements of each parameter.
struct CopyMoments<'a> {
    optimizer: &'a AdamW,
    copies: &'a mut Vec<(usize, Option<[Readback; 2]>)>,
}

impl ModuleVisitor for CopyMoments<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let both = self.optimizer.moments::<D>(param.id).map(|both| both.map(Readback::new));
        self.copies.push((param.shape().num_elements(), both));
    }
}

/// Queues copies of each parameter that it visits and of its moments, if it has any, and calls `work` with those of one
/// parameter at a time: the parameter, then its first and second moment.
pub(super) struct CopyEach<'a, F> {
    optimizer: Option<&'a AdamW>,
    work: F,
}

impl<'a, F: FnMut(ParamId, Vec<Readback>)> CopyEach<'a, F> {
    pub fn new(optimizer: Option<&'a AdamW>, work: F) -> Self {
        Self { optimizer, work }
    }
}

impl<F: FnMut(ParamId, Vec<Readback>)> ModuleVisitor for CopyEach<'_, F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let moments = self.optimizer.and_then(|optimizer| optimizer.moments::<D>(param.id)).into_iter().flatten();
        let tensors = [param.val().without_autodiff()].into_iter().chain(moments);
        (self.work)(param.id, tensors.map(Readback::new).collect());
    }
}

/// Gives every parameter of a trainer what `next` has for it, told its number of elements; one for which it has nothing stays
/// as it is, and so do all after an error.
pub(super) fn load<E>(
    trainer: &mut Trainer,
    device: &Device,
    next: impl FnMut(ParamId, usize) -> Result<Option<ParameterState>, E>,
) -> Result<(), E> {
    let mut failed = None;
    trainer.replace(|model, optimizer| {
        model.map(&mut Load { next, optimizer, writer: Writer::new(device.clone()), failed: &mut failed })
    });
    failed.map_or(Ok(()), Err)
}

struct Load<'a, F, E> {
    next: F,
    optimizer: &'a mut AdamW,
    writer: Writer,
    failed: &'a mut Option<E>,
}

impl<E, F> ModuleMapper for Load<'_, F, E>
where
    F: FnMut(ParamId, usize) -> Result<Option<ParameterState>, E>,
{
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.failed.is_some() {
            return param;
        }
        match (self.next)(param.id, param.shape().num_elements()) {
            Ok(None) => param,
            Ok(Some(ParameterState { values, moments })) => {
                if let Some(moments) = moments {
                    let (shape, device) = (param.dims(), &self.writer.device);
                    let tensor = |values| Tensor::from_data(TensorData::new(values, shape), device);
                    self.optimizer.set_moments::<D>(param.id, moments.map(tensor));
                }
                match values {
                    Some(values) => self.writer.write(param, values),
                    None => param,
                }
            }
            Err(error) => {
                *self.failed = Some(error);
                param
            }
        }
    }
}

/// Puts values from host memory in the place of parameters.
pub(super) struct Writer {
    device: Device,
    /// Bytes of values that were replaced since the device was last waited for.
    replaced: usize,
}

/// Bytes of replaced values that Burn's queue may keep in memory beside the new ones.
const KEPT: usize = 4 << 20;

impl Writer {
    pub fn new(device: Device) -> Self {
        Self { device, replaced: 0 }
    }

    /// The parameter with other values, as tracked as it was.
    pub fn write<const D: usize>(&mut self, param: Param<Tensor<D>>, values: Vec<f32>) -> Param<Tensor<D>> {
        let (id, old, mapper) = param.consume();
        let (shape, tracked) = (old.dims(), old.is_require_grad());
        drop(old);
        self.replaced += size_of_val(values.as_slice());
        if self.replaced >= KEPT {
            // What fails here fails again where it is looked at.
            let _ = self.device.sync();
            self.replaced = 0;
        }
        let value = Tensor::from_inner(Tensor::from_data(TensorData::new(values, shape), &self.device));
        Param::from_mapped_value(id, if tracked { value.require_grad() } else { value }, mapper)
    }
}
