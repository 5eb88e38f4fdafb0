//! A trainer's tensors are set from a checkpoint.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{DType, Device, Tensor, TensorData},
};
use hearth_model::Transformer;

use super::layout::{FileShapes, MODEL, MOMENTS, ModulePath, OPTIMIZER, OUTER, of_rank};
use crate::{
    TrainError,
    checkpoint::{error::CheckpointError, read::Checkpoint, tensors::Tensors},
    optim::AdamW,
    step::Trainer,
};

/// Sets all parameters and moments from a checkpoint of the same model.
///
/// # Errors
/// A tensor that is missing or has another shape.
pub fn restore(trainer: &mut Trainer, checkpoint: &Checkpoint) -> Result<(), TrainError> {
    let moments = checkpoint.tensors(OPTIMIZER)?;
    set(trainer, &checkpoint.tensors(MODEL)?, Some(&moments))
}

/// Sets all parameters, and no moments.
///
/// # Errors
/// As [`restore`].
pub fn restore_weights(trainer: &mut Trainer, checkpoint: &Checkpoint) -> Result<(), TrainError> {
    set(trainer, &checkpoint.tensors(MODEL)?, None)
}

/// The momentum of outer steps that a checkpoint of the same model has, parameter by parameter, end to end.
///
/// # Errors
/// As [`restore`].
pub fn outer_momentum(trainer: &Trainer, checkpoint: &Checkpoint) -> Result<Option<Vec<f32>>, TrainError> {
    let tensors = checkpoint.tensors(OPTIMIZER)?;
    match tensors.names().any(|name| name.starts_with(OUTER)) {
        true => Ok(Some(flat(trainer, &tensors, OUTER)?)),
        false => Ok(None),
    }
}

/// The first and second moments of rank 1 and those after it that a checkpoint has of ranks with moments of their own, each
/// parameter by parameter, end to end.
///
/// # Errors
/// As [`restore`].
pub fn moments_of_ranks(trainer: &Trainer, checkpoint: &Checkpoint) -> Result<Vec<[Vec<f32>; 2]>, TrainError> {
    let tensors = checkpoint.tensors(OPTIMIZER)?;
    let [first, second] = MOMENTS;
    let is_there = |rank: usize| tensors.names().any(|name| name.starts_with(&of_rank(rank, first)));
    let both =
        |rank| Ok([flat(trainer, &tensors, &of_rank(rank, first))?, flat(trainer, &tensors, &of_rank(rank, second))?]);
    (1..).take_while(|rank| is_there(*rank)).map(both).collect()
}

/// The tensors whose names begin so, one for each parameter, end to end.
fn flat(trainer: &Trainer, tensors: &Tensors, prefix: &str) -> Result<Vec<f32>, CheckpointError> {
    let mut shapes = FileShapes::default();
    trainer.model().visit(&mut shapes);
    let mut values = Vec::new();
    for name in &shapes.order {
        let bytes = tensors.get(&format!("{prefix}{name}"), &shapes.whole[name])?;
        values.extend(bytemuck::pod_collect_to_vec::<u8, f32>(bytes));
    }
    Ok(values)
}

fn set(trainer: &mut Trainer, parameters: &Tensors, moments: Option<&Tensors>) -> Result<(), TrainError> {
    let mut shapes = FileShapes::default();
    trainer.model().visit(&mut shapes);
    let mut error = None;
    trainer.replace(|model: Transformer, optimizer| {
        let (shapes, offsets, path) = (shapes.whole, HashMap::new(), ModulePath::default());
        model.map(&mut Restore { parameters, moments, optimizer, shapes, offsets, path, error: &mut error })
    });
    error.map_or(Ok(()), |error| Err(error.into()))
}

/// The learned vectors of positions.
const POSITIONS: &str = "embedding.positions";

struct Restore<'a> {
    parameters: &'a Tensors,
    moments: Option<&'a Tensors>,
    optimizer: &'a mut AdamW,
    /// Shapes in the files, by name.
    shapes: HashMap<String, Vec<usize>>,
    /// Bytes of a matrix that its first shards have taken.
    offsets: HashMap<String, usize>,
    path: ModulePath,
    error: &'a mut Option<CheckpointError>,
}

impl Restore<'_> {
    /// Whether the optimizer has moments of the parameter at hand: one that is not trained may have none.
    fn has_moments<const D: usize>(&self, moments: &Tensors, param: &Param<Tensor<D>>) -> bool {
        let trained = !moments.is_empty() && param.val().is_require_grad();
        trained || moments.contains(&format!("{}{}", MOMENTS[0], self.path.file_name()))
    }

    /// The values of the shard at hand, of a parameter or of what the optimizer keeps of it.
    fn value<const D: usize>(
        &self,
        tensors: &Tensors,
        prefix: &str,
        dims: [usize; D],
        device: &Device,
    ) -> Result<Tensor<D>, CheckpointError> {
        let name = self.path.file_name();
        let bytes = match self.moments {
            // A new run may have a shorter context.
            None if name == POSITIONS => tensors.first_rows(&name, &self.shapes[&name])?,
            _ => tensors.get(&format!("{prefix}{name}"), &self.shapes[&name])?,
        };
        let start = self.offsets.get(&name).copied().unwrap_or(0);
        let bytes = &bytes[start..start + dims.iter().product::<usize>() * size_of::<f32>()];
        Ok(Tensor::from_data(TensorData::from_bytes_vec(bytes.to_vec(), dims, DType::F32), device))
    }

    fn set<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Result<Param<Tensor<D>>, CheckpointError> {
        let (dims, device) = (param.dims(), param.device().without_autodiff());
        if let Some(tensors) = self.moments.filter(|moments| self.has_moments(moments, &param)) {
            let [first, second] = MOMENTS.map(|prefix| self.value(tensors, prefix, dims, &device));
            self.optimizer.set_moments(param.id, [first?, second?]);
        }
        let value = self.value(self.parameters, "", dims, &device)?;
        *self.offsets.entry(self.path.file_name()).or_default() += dims.iter().product::<usize>() * size_of::<f32>();
        let (id, old, mapper) = param.consume();
        let value = Tensor::from_inner(value);
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
