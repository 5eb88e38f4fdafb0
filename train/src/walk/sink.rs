//! Where parameter gradients arrive and are summed.

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Gradients, Tensor, TensorData},
};

/// Sums gradients by parameter: over micro-batches, and over the segments that share a tied matrix.
///
/// Sums are taken in the order of arrival, which the walk fixes.
#[derive(Debug, Default)]
pub struct Sink {
    gradients: GradientsParams,
}

impl Sink {
    /// Adds a gradient of the parameter `id`.
    pub fn add<const D: usize>(&mut self, id: ParamId, gradient: Tensor<D>) {
        let sum = match self.gradients.remove::<D>(id) {
            Some(earlier) => earlier + gradient,
            None => gradient,
        };
        self.gradients.register(id, sum);
    }

    /// Moves the gradients of `module`'s parameters out of a tape's `gradients`.
    pub fn take<M: Module>(&mut self, gradients: &mut Gradients, module: &M) {
        module.visit(&mut Take { sink: self, gradients });
    }

    /// The sum for the parameter `id`, if any arrived.
    pub fn get<const D: usize>(&self, id: ParamId) -> Option<Tensor<D>> {
        self.gradients.get(id)
    }

    /// Every gradient of `module` by the parameter's path, read back to the host: for tests and `certify`.
    pub fn named<M: Module>(&self, module: &M) -> Vec<(String, TensorData)> {
        let mut named = Named { sink: self, path: Vec::new(), found: Vec::new() };
        module.visit(&mut named);
        named.found
    }

    /// Empties the sink into what the optimizer takes.
    pub fn into_inner(self) -> GradientsParams {
        self.gradients
    }
}

struct Take<'a> {
    sink: &'a mut Sink,
    gradients: &'a mut Gradients,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(self.gradients) {
            self.sink.add(param.id, gradient);
        }
    }
}

struct Named<'a> {
    sink: &'a Sink,
    path: Vec<String>,
    found: Vec<(String, TensorData)>,
}

impl ModuleVisitor for Named<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.sink.get::<D>(param.id) {
            self.found.push((self.path.join("."), gradient.into_data()));
        }
    }
}
