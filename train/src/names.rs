//! The names of a module's parameters.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::Tensor,
};

/// Where in a module a visitor is, as `blocks.0.attention.query.weight`.
///
/// Burn's `Module::visit` tells a visitor the way by `enter_module` and `exit_module`; it calls `visit_float`, and
/// not `visit_float_with_path`.
#[derive(Debug, Default)]
pub(crate) struct ModulePath(Vec<String>);

impl ModulePath {
    pub fn enter(&mut self, name: &str) {
        self.0.push(name.into());
    }

    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The name of the parameter that is there: the shards of a matrix over the vocabulary share the matrix's.
    pub fn name(&self) -> String {
        let path = self.0.join(".");
        path.split_once(".shards.").map_or(path.clone(), |(matrix, _)| matrix.into())
    }
}

/// The name of each parameter of a module.
#[derive(Debug, Default)]
pub(crate) struct Names {
    path: ModulePath,
    by_id: HashMap<ParamId, String>,
}

impl Names {
    pub fn of<M: Module>(module: &M) -> Self {
        let mut names = Self::default();
        module.visit(&mut names);
        names
    }

    pub fn name(&self, id: ParamId) -> &str {
        &self.by_id[&id]
    }
}

impl ModuleVisitor for Names {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.by_id.insert(param.id, self.path.name());
    }
}
