//! Paths of a module's parameters.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    tensor::Tensor,
};

/// The path of each parameter of a module, as `blocks.0.attention.query.weight`. The shards of a matrix over the
/// vocabulary have the matrix's.
///
/// Burn's `Module::visit` tells a visitor the way by `enter_module` and `exit_module`; it calls `visit_float`, and
/// not `visit_float_with_path`.
#[derive(Debug, Default)]
pub(super) struct Names {
    path: Vec<String>,
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
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let name = path.split_once(".shards.").map_or(path.as_str(), |(matrix, _)| matrix);
        self.by_id.insert(param.id, name.into());
    }
}
