//! Parameters that stay as they are.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};

use super::OptimizerConfig;
use crate::names::ModulePath;

impl OptimizerConfig {
    /// The same model, whose parameters that a group freezes get no gradient.
    pub fn freeze<M: Module>(&self, model: M) -> M {
        match self.groups.iter().any(|group| group.frozen) {
            true => model.map(&mut Freeze { config: self, path: ModulePath::default() }),
            false => model,
        }
    }
}

struct Freeze<'a> {
    config: &'a OptimizerConfig,
    path: ModulePath,
}

impl ModuleMapper for Freeze<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.config.is_frozen(&self.path.name()) { param.set_require_grad(false) } else { param }
    }
}
