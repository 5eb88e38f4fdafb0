//! Parameters that stay as they are.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};
use hearth_model::{Transformer, TransformerBlock, TransformerConfig};

use super::OptimizerConfig;
use crate::names::ModulePath;

impl OptimizerConfig {
    /// The same model, whose parameters that are frozen ([`OptimizerConfig::is_frozen`]) get no gradient.
    pub fn freeze<B: TransformerBlock>(&self, model: Transformer<B>) -> Transformer<B> {
        let of = model.config().clone();
        match of.adapter.is_some() || self.groups.iter().any(|group| group.frozen) {
            true => model.map(&mut Freeze { config: self, model: &of, path: ModulePath::default() }),
            false => model,
        }
    }
}

struct Freeze<'a> {
    config: &'a OptimizerConfig,
    model: &'a TransformerConfig,
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
        if self.config.is_frozen(&self.path.name(), self.model) { param.set_require_grad(false) } else { param }
    }
}
