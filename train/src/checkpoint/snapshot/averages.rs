//! A model has the averages of a checkpoint's weights.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{DType, Tensor, TensorData},
};
use hearth_model::Transformer;

use super::layout::{OPTIMIZER, of_state};
use crate::{
    checkpoint::{error::CheckpointError, names, store::Store, tensors::Tensors},
    names::ModulePath,
    optim::{Averaged, StateShape},
};

/// `model`, without autodiff and with the weights of the checkpoint `name`, with its averages of them in their place; those that it
/// has none of stay.
///
/// # Errors
/// A file that cannot be read, a tensor of another shape.
pub fn with_averages(model: Transformer, store: &dyn Store, name: &str) -> Result<Transformer, CheckpointError> {
    let state = Tensors::open(store, &names::file(name, OPTIMIZER))?;
    let mut rows = Rows::default();
    model.visit(&mut rows);
    let mut error = None;
    let (path, passed) = (ModulePath::default(), HashMap::new());
    let model = model.map(&mut Add { state: &state, rows: rows.of, passed, path, error: &mut error });
    error.map_or(Ok(model), Err)
}

/// The rows of each tensor by name: those of a matrix that is in shards together.
#[derive(Default)]
struct Rows {
    path: ModulePath,
    of: HashMap<String, usize>,
}

impl ModuleVisitor for Rows {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        *self.of.entry(self.path.name()).or_default() += param.dims()[0];
    }
}

struct Add<'a> {
    state: &'a Tensors,
    rows: HashMap<String, usize>,
    /// Bytes of a tensor that the first shards of a matrix have taken.
    passed: HashMap<String, usize>,
    path: ModulePath,
    error: &'a mut Option<CheckpointError>,
}

impl Add<'_> {
    fn offset<const D: usize>(&mut self, param: &Param<Tensor<D>>) -> Result<Option<Tensor<D>>, CheckpointError> {
        let parameter = self.path.name();
        let own = param.dims();
        let whole = [&[self.rows[&parameter]], &own[1..]].concat();
        let name = of_state(&StateShape::like(Averaged::OFFSET, &whole), &parameter);
        if !self.state.contains(&name) {
            return Ok(None);
        }
        let bytes = self.state.get(&name, &whole)?;
        let passed = self.passed.entry(parameter).or_default();
        let end = *passed + own.iter().product::<usize>() * size_of::<f32>();
        let values = bytes[std::mem::replace(passed, end)..end].to_vec();
        Ok(Some(Tensor::from_data(TensorData::from_bytes_vec(values, own, DType::F32), &param.device())))
    }
}

impl ModuleMapper for Add<'_> {
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
        match self.offset(&param) {
            Ok(None) => param,
            Ok(Some(offset)) => {
                let (id, value, mapper) = param.consume();
                Param::from_mapped_value(id, value + offset, mapper)
            }
            Err(error) => {
                *self.error = Some(error);
                param
            }
        }
    }
}
