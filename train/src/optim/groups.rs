//! Which parameters decay.

use burn::{
    module::{Module, ModuleVisitor, Param, ParamGroup, ParamId},
    optim::{AdamWConfig, ModuleOptimizer},
    tensor::Tensor,
};

use super::OptimizerConfig;

/// AdamW for `module`: matrices (embeddings included, as in nanoGPT) decay, vectors do not.
pub fn adamw<M: Module>(config: &OptimizerConfig, module: &M) -> ModuleOptimizer {
    let adamw = |weight_decay: f64| {
        AdamWConfig::new()
            .with_beta_1(config.beta1 as f32)
            .with_beta_2(config.beta2 as f32)
            .with_epsilon(config.eps as f32)
            .with_weight_decay(weight_decay as f32)
    };
    let mut vectors = Vectors(Vec::new());
    module.visit(&mut vectors);
    adamw(config.weight_decay).init().with_group(ParamGroup::from_ids(vectors.0), adamw(0.0).build(), None)
}

/// The parameters of rank 1.
struct Vectors(Vec<ParamId>);

impl ModuleVisitor for Vectors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D == 1 {
            self.0.push(param.id);
        }
    }
}
