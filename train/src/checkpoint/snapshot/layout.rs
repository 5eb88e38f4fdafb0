//! Which tensors the files of a checkpoint have, and their names.

use std::collections::HashMap;

use burn::{
    module::{ModuleVisitor, Param},
    tensor::Tensor,
};

/// The file of parameters.
pub(super) const MODEL: &str = "model.safetensors";
/// The file of what the optimizer keeps.
pub(super) const OPTIMIZER: &str = "optimizer.safetensors";

/// What AdamW keeps of a parameter, as its names begin.
pub(super) const MOMENTS: [&str; 2] = ["first.", "second."];

/// The momentum of outer steps, as its names begin.
pub(super) const OUTER: &str = "outer.";

/// How the names of a moment of a rank after the first begin, where each has its own.
pub(super) fn of_rank(rank: usize, moment: &str) -> String {
    format!("rank{rank}.{moment}")
}

/// Where in a module a visitor is.
#[derive(Default)]
pub(super) struct ModulePath(Vec<String>);

impl ModulePath {
    pub fn enter(&mut self, name: &str) {
        self.0.push(name.into());
    }

    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The name in files of the parameter that is there: shards of one matrix share theirs.
    pub fn file_name(&self) -> String {
        let path = self.0.join(".");
        path.split_once(".shards.").map_or(path.clone(), |(matrix, _)| matrix.into())
    }
}

/// Visits a model for the shapes that its files have.
#[derive(Default)]
pub(super) struct FileShapes {
    path: ModulePath,
    /// Shapes by name, each matrix whole.
    pub whole: HashMap<String, Vec<usize>>,
    /// The names, as the model has them.
    pub order: Vec<String>,
}

impl ModuleVisitor for FileShapes {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let dims = param.dims();
        let name = self.path.file_name();
        if !self.whole.contains_key(&name) {
            self.order.push(name.clone());
        }
        let whole = self.whole.entry(name);
        whole.and_modify(|whole| whole[0] += dims[0]).or_insert_with(|| dims.into());
    }
}
