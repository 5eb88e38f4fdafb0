//! A trainer's tensors are set from a checkpoint.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{DType, Device, Tensor, TensorData},
};
use hearth_model::TransformerBlock;

use super::layout::{FileShapes, MODEL, OPTIMIZER, OUTER, of_rank, of_state};
use crate::{
    TrainError,
    checkpoint::{error::CheckpointError, read::Checkpoint, tensors::Tensors},
    names::ModulePath,
    optim::{Averaged, Optimizer},
    step::Trainer,
};

/// Sets all parameters and the optimizer's state from a checkpoint of the same run.
///
/// # Errors
/// A tensor that is missing or has another shape.
pub fn restore<B: TransformerBlock>(trainer: &mut Trainer<B>, checkpoint: &Checkpoint) -> Result<(), TrainError> {
    let state = checkpoint.tensors(OPTIMIZER)?;
    set(trainer, &checkpoint.tensors(MODEL)?, Some(&state))
}

/// Sets all parameters, and no state.
///
/// # Errors
/// As [`restore`].
pub fn restore_weights<B: TransformerBlock>(
    trainer: &mut Trainer<B>,
    checkpoint: &Checkpoint,
) -> Result<(), TrainError> {
    set(trainer, &checkpoint.tensors(MODEL)?, None)
}

/// The momentum of outer steps that a checkpoint of the same model has, parameter by parameter, end to end.
///
/// # Errors
/// As [`restore`].
pub fn outer_momentum<B: TransformerBlock>(
    trainer: &Trainer<B>,
    checkpoint: &Checkpoint,
) -> Result<Option<Vec<f32>>, TrainError> {
    let tensors = checkpoint.tensors(OPTIMIZER)?;
    if !tensors.names().any(|name| name.starts_with(OUTER)) {
        return Ok(None);
    }
    let shapes = file_shapes(trainer);
    Ok(Some(flat(&tensors, &shapes, OUTER, &shapes.parameters)?))
}

/// What a checkpoint has of rank 1 and those after it, where each keeps state of its own: parameter by parameter, tensor by tensor,
/// end to end.
///
/// # Errors
/// As [`restore`].
pub fn state_of_ranks<B: TransformerBlock>(
    trainer: &Trainer<B>,
    checkpoint: &Checkpoint,
) -> Result<Vec<Vec<f32>>, TrainError> {
    let tensors = checkpoint.tensors(OPTIMIZER)?;
    let shapes = file_shapes(trainer);
    let is_there = |rank: &usize| tensors.names().any(|name| name.starts_with(&of_rank(*rank)));
    let all = |rank| Ok(flat(&tensors, &shapes, &of_rank(rank), &shapes.states)?);
    (1..).take_while(is_there).map(all).collect()
}

fn file_shapes<B: TransformerBlock>(trainer: &Trainer<B>) -> FileShapes<'_> {
    let mut shapes = FileShapes::new(trainer.optimizer());
    trainer.model().visit(&mut shapes);
    shapes
}

/// The tensors of these names behind `prefix`, end to end.
fn flat(
    tensors: &Tensors,
    shapes: &FileShapes<'_>,
    prefix: &str,
    names: &[String],
) -> Result<Vec<f32>, CheckpointError> {
    let mut values = Vec::new();
    for name in names {
        let bytes = tensors.get(&format!("{prefix}{name}"), &shapes.whole[name])?;
        values.extend(bytemuck::pod_collect_to_vec::<u8, f32>(bytes));
    }
    Ok(values)
}

fn set<B: TransformerBlock>(
    trainer: &mut Trainer<B>,
    parameters: &Tensors,
    state: Option<&Tensors>,
) -> Result<(), TrainError> {
    let shapes = file_shapes(trainer).whole;
    let mut error = None;
    trainer.replace(|model, optimizer| {
        let (offsets, path) = (HashMap::new(), ModulePath::default());
        let has_adapters = model.config().adapter.is_some();
        model.map(&mut Restore { parameters, state, optimizer, has_adapters, shapes, offsets, path, error: &mut error })
    });
    error.map_or(Ok(()), |error| Err(error.into()))
}

/// The learned vectors of positions.
const POSITIONS: &str = "embedding.positions";

struct Restore<'a> {
    parameters: &'a Tensors,
    state: Option<&'a Tensors>,
    optimizer: &'a mut Optimizer,
    /// What is frozen beside adapters is in no checkpoint.
    has_adapters: bool,
    /// Shapes in the files, by name.
    shapes: HashMap<String, Vec<usize>>,
    /// Bytes of a tensor that the first shards of a matrix have taken.
    offsets: HashMap<String, usize>,
    path: ModulePath,
    error: &'a mut Option<CheckpointError>,
}

impl Restore<'_> {
    /// The next so many values of a tensor: all of it, but of a matrix that is in shards.
    fn next(&mut self, bytes: &[u8], name: String, elements: usize) -> TensorData {
        let start = self.offsets.entry(name).or_default();
        let end = *start + elements * size_of::<f32>();
        let own = bytes[std::mem::replace(start, end)..end].to_vec();
        TensorData::from_bytes_vec(own, [elements], DType::F32)
    }

    /// The values of the parameter at hand.
    fn values(&mut self, elements: usize) -> Result<TensorData, CheckpointError> {
        let (name, tensors) = (self.path.name(), self.parameters);
        let shape = &self.shapes[&name];
        let bytes = match self.state {
            // A new run may have a shorter context.
            None if name == POSITIONS => tensors.first_rows(&name, shape)?,
            _ => tensors.get(&name, shape)?,
        };
        Ok(self.next(bytes, name, elements))
    }

    /// Sets what is kept of the parameter at hand, if there is anything: there need not be of one that is not trained.
    fn set_state<const D: usize>(&mut self, param: &Param<Tensor<D>>, device: &Device) -> Result<(), CheckpointError> {
        let Some(tensors) = self.state else { return Ok(()) };
        let shapes = self.optimizer.state_shapes(param.id, &param.dims());
        let names: Vec<String> = shapes.iter().map(|it| of_state(it, &self.path.name())).collect();
        let is_trained = !tensors.is_empty() && param.val().is_require_grad();
        if !is_trained && !names.iter().any(|name| tensors.contains(name)) {
            return Ok(());
        }
        let mut state = Vec::new();
        for (it, name) in shapes.iter().zip(names) {
            if it.name == Averaged::OFFSET && !tensors.contains(&name) {
                // The run kept none until here: the average begins with the weights.
                state.push(Tensor::zeros([it.elements()], device));
                continue;
            }
            let bytes = tensors.get(&name, &self.shapes[&name])?;
            state.push(Tensor::from_data(self.next(bytes, name, it.elements()), device));
        }
        self.optimizer.set_state(param.id, state);
        Ok(())
    }

    fn set<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Result<Param<Tensor<D>>, CheckpointError> {
        let (dims, device) = (param.dims(), param.device().without_autodiff());
        self.set_state(&param, &device)?;
        if self.has_adapters && !param.val().is_require_grad() && !self.parameters.contains(&self.path.name()) {
            return Ok(param);
        }
        let values = self.values(dims.iter().product())?;
        let (id, old, mapper) = param.consume();
        let value = Tensor::from_inner(Tensor::<1>::from_data(values, &device).reshape(dims));
        let value = if old.is_require_grad() { value.require_grad() } else { value };
        Ok(Param::from_mapped_value(id, value, mapper))
    }
}

impl ModuleMapper for Restore<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        self.set(param.clone()).unwrap_or_else(|error| {
            *self.error = Some(error);
            param
        })
    }
}
