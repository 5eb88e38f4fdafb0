//! Which tensors the files of a checkpoint have, and their names.

use std::collections::HashMap;

use burn::{
    module::{ModuleVisitor, Param},
    tensor::Tensor,
};

use crate::{
    names::ModulePath,
    optim::{Optimizer, StateShape},
};

/// The file of parameters.
pub(super) const MODEL: &str = "model.safetensors";
/// The file of what the optimizer keeps.
pub(super) const OPTIMIZER: &str = "optimizer.safetensors";

/// The momentum of outer steps, as its names begin.
pub(super) const OUTER: &str = "outer.";

/// The name of what the optimizer keeps of a parameter.
pub(super) fn of_state(state: &StateShape, parameter: &str) -> String {
    format!("{}.{parameter}", state.name)
}

/// How the names of what a rank after the first keeps begin, where each has its own.
pub(super) fn of_rank(rank: usize) -> String {
    format!("rank{rank}.")
}

/// Visits a model for the shapes that its files have.
pub(super) struct FileShapes<'a> {
    optimizer: &'a Optimizer,
    path: ModulePath,
    /// Shapes of parameters by name, and of what is kept of them, each matrix whole.
    pub whole: HashMap<String, Vec<usize>>,
    /// The parameters' names, as the model has them.
    pub parameters: Vec<String>,
    /// The names of what is kept of them, in the same order.
    pub states: Vec<String>,
}

impl<'a> FileShapes<'a> {
    pub fn new(optimizer: &'a Optimizer) -> Self {
        let (parameters, states) = (Vec::new(), Vec::new());
        Self { optimizer, path: ModulePath::default(), whole: HashMap::new(), parameters, states }
    }

    /// Adds a tensor, or rows of one; whether it is new.
    fn add(&mut self, name: &str, shape: &[usize]) -> bool {
        let is_new = !self.whole.contains_key(name);
        let whole = self.whole.entry(name.into());
        whole.and_modify(|whole| whole[0] += shape[0]).or_insert_with(|| shape.into());
        is_new
    }
}

impl ModuleVisitor for FileShapes<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.name();
        for state in self.optimizer.state_shapes(param.id, &param.dims()) {
            let name = of_state(&state, &name);
            if self.add(&name, &state.shape) {
                self.states.push(name);
            }
        }
        if self.add(&name, &param.dims()) {
            self.parameters.push(name);
        }
    }
}
