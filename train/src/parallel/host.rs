//! Parameters and optimizer state in host memory, where ranks exchange them, and back on a device.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Tensor, TensorData},
};
use hearth_model::{Transformer, TransformerBlock};

use super::CollectiveError;
use crate::{
    TrainError,
    optim::{Optimizer, StateShape},
    readback::Readback,
    step::Trainer,
};

/// New values of a parameter and of what its rule keeps, tensor by tensor; `None` leaves them as they are.
pub(super) struct ParameterState {
    pub values: Option<Vec<f32>>,
    pub state: Option<Vec<Vec<f32>>>,
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
pub(super) fn flat<B: TransformerBlock>(model: &Transformer<B>, rank: usize) -> Result<Vec<f32>, CollectiveError> {
    let mut copies = Vec::new();
    model.visit(&mut CopyEach::new(None, |_, copy| copies.extend(copy)));
    let mut all = Vec::new();
    for copy in copies {
        all.extend(wait(copy, rank)?.iter::<f32>());
    }
    Ok(all)
}

/// The optimizer state of every parameter, end to end, copied from the device of rank `rank`; zeros where there is none yet.
pub(super) fn flat_state<B: TransformerBlock>(trainer: &Trainer<B>, rank: usize) -> Result<Vec<f32>, CollectiveError> {
    let mut copies = Vec::new();
    trainer.model().visit(&mut CopyState { optimizer: trainer.optimizer(), copies: &mut copies });
    let mut all = Vec::new();
    for copy in copies {
        match copy {
            Err(count) => all.resize(all.len() + count, 0.0),
            Ok(copy) => all.extend(wait(copy, rank)?.iter::<f32>()),
        }
    }
    Ok(all)
}

/// Queues copies of what is kept of each parameter; where there is nothing yet, it is so many zeros.
struct CopyState<'a> {
    optimizer: &'a Optimizer,
    copies: &'a mut Vec<Result<Readback, usize>>,
}

impl ModuleVisitor for CopyState<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match self.optimizer.state(param.id) {
            Some(state) => self.copies.extend(state.iter().map(|tensor| Ok(Readback::new(tensor.clone())))),
            None => self.copies.extend(lengths(self.optimizer, param).into_iter().map(Err)),
        }
    }
}

/// Number of elements of each tensor that is kept of a parameter.
fn lengths<const D: usize>(optimizer: &Optimizer, param: &Param<Tensor<D>>) -> Vec<usize> {
    optimizer.state_shapes(param.id, &param.dims()).iter().map(StateShape::elements).collect()
}

/// Queues copies of each parameter that it visits and of what is kept of it, if there is anything, and calls `work` with those of
/// one parameter at a time: the parameter, then its state.
pub(super) struct CopyEach<'a, F> {
    optimizer: Option<&'a Optimizer>,
    work: F,
}

impl<'a, F: FnMut(ParamId, Vec<Readback>)> CopyEach<'a, F> {
    pub fn new(optimizer: Option<&'a Optimizer>, work: F) -> Self {
        Self { optimizer, work }
    }
}

impl<F: FnMut(ParamId, Vec<Readback>)> ModuleVisitor for CopyEach<'_, F> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let state = self.optimizer.and_then(|optimizer| optimizer.state(param.id)).into_iter().flatten();
        let value = Readback::new(param.val().without_autodiff());
        (self.work)(param.id, [value].into_iter().chain(state.cloned().map(Readback::new)).collect());
    }
}

/// Gives every parameter of a trainer what `next` has for it, told its number of elements and that of each tensor that is kept
/// of it; one for which it has nothing stays as it is, and so do all after an error.
pub(super) fn load<B: TransformerBlock, E>(
    trainer: &mut Trainer<B>,
    next: impl FnMut(ParamId, usize, &[usize]) -> Result<Option<ParameterState>, E>,
) -> Result<(), E> {
    let mut failed = None;
    trainer.replace(|model, optimizer| {
        model.map(&mut Load { next, optimizer, writer: Writer::default(), failed: &mut failed })
    });
    failed.map_or(Ok(()), Err)
}

struct Load<'a, F, E> {
    next: F,
    optimizer: &'a mut Optimizer,
    writer: Writer,
    failed: &'a mut Option<E>,
}

impl<E, F> ModuleMapper for Load<'_, F, E>
where
    F: FnMut(ParamId, usize, &[usize]) -> Result<Option<ParameterState>, E>,
{
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.failed.is_some() {
            return param;
        }
        match (self.next)(param.id, param.shape().num_elements(), &lengths(self.optimizer, &param)) {
            Ok(None) => param,
            Ok(Some(ParameterState { values, state })) => {
                if let Some(state) = state {
                    let device = param.val().without_autodiff().device();
                    let tensor = |values: Vec<f32>| Tensor::from_floats(values.as_slice(), &device);
                    self.optimizer.set_state(param.id, state.into_iter().map(tensor).collect());
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

/// Puts values from host memory in the place of parameters, wherever these live.
#[derive(Default)]
pub(super) struct Writer {
    /// Bytes of values that were replaced since the device was last waited for.
    replaced: usize,
}

/// Bytes of replaced values that Burn's queue may keep in memory beside the new ones.
const KEPT: usize = 4 << 20;

impl Writer {
    /// The parameter with other values, as tracked as it was.
    pub fn write<const D: usize>(&mut self, param: Param<Tensor<D>>, values: Vec<f32>) -> Param<Tensor<D>> {
        let (id, old, mapper) = param.consume();
        let (shape, tracked) = (old.dims(), old.is_require_grad());
        let device = old.device().without_autodiff();
        drop(old);
        self.replaced += size_of_val(values.as_slice());
        if self.replaced >= KEPT {
            // What fails here fails again where it is looked at.
            let _ = device.sync();
            self.replaced = 0;
        }
        let value = Tensor::from_inner(Tensor::from_data(TensorData::new(values, shape), &device));
        Param::from_mapped_value(id, if tracked { value.require_grad() } else { value }, mapper)
    }
}
