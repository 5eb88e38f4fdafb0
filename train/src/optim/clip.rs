//! Clipping by the global norm (Pascanu et al. 2013, arXiv 1211.5063), on the device: nothing is read back.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};

/// The L2 norm of all gradients of `module` together, `[1]`.
pub fn global_norm<M: Module>(module: &M, gradients: &GradientsParams) -> Tensor<1> {
    let mut squares = Squares { gradients, sum: None };
    module.visit(&mut squares);
    squares.sum.expect("a model has parameters with gradients").sqrt()
}

/// Scales all gradients by `min(1, max_norm / norm)`, as PyTorch's `clip_grad_norm_` does.
pub fn clip<M: Module>(module: &M, gradients: &mut GradientsParams, norm: Tensor<1>, max_norm: f64) {
    let factor = (norm + 1e-6).recip().mul_scalar(max_norm).clamp_max(1.0);
    module.visit(&mut Scale { gradients, factor });
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        // Row sums, then their sum: one reduction over everything may use float atomics, whose order varies.
        let [rows, columns] = [gradient.dims()[0], gradient.dims()[1..].iter().product()];
        let square = gradient.reshape([rows, columns]).square().sum_dim(1).sum_dim(0).reshape([1]);
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + square,
            None => square,
        });
    }
}

struct Scale<'a> {
    gradients: &'a mut GradientsParams,
    factor: Tensor<1>,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor.clone().unsqueeze());
        }
    }
}
