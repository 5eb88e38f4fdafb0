//! Where parameter gradients arrive and are summed.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Device, Gradients, Tensor, TensorData},
};

use super::{Placement, parked::Parked};

/// Sums gradients by parameter: over micro-batches, and over the segments that share a tied matrix.
///
/// Sums are taken in the order of arrival, which the walk fixes, and on the walk's device. The gradients of parameters
/// that live in host memory wait there.
#[derive(Debug, Default)]
pub struct Sink {
    on_device: GradientsParams,
    on_host: HashMap<ParamId, HostGradient>,
    /// Those of `on_host` whose copies may still be on their way.
    in_flight: Vec<ParamId>,
}

/// A gradient in host memory, with what the global norm needs of it.
#[derive(Debug)]
struct HostGradient {
    gradient: Parked,
    /// On the walk's device, `[1]`.
    square_sum: Tensor<1>,
}

impl Sink {
    /// Adds a gradient of the parameter `id`, which lives at `placement`.
    pub fn add<const D: usize>(&mut self, id: ParamId, gradient: Tensor<D>, placement: Placement) {
        match placement {
            Placement::Device => {
                let sum = match self.on_device.remove::<D>(id) {
                    Some(earlier) => earlier + gradient,
                    None => gradient,
                };
                self.on_device.register(id, sum);
            }
            Placement::Host => {
                let sum = match self.on_host.remove(&id) {
                    Some(earlier) => earlier.gradient.restore() + gradient,
                    None => gradient,
                };
                let square_sum = square_sum(sum.clone());
                self.on_host.insert(id, HostGradient { gradient: Parked::new(sum), square_sum });
                self.in_flight.push(id);
            }
        }
    }

    /// Moves the gradients of `module`'s parameters out of a tape's `gradients`.
    pub fn take<M: Module>(&mut self, gradients: &mut Gradients, module: &M, placement: Placement) {
        for id in std::mem::take(&mut self.in_flight) {
            if let Some(held) = self.on_host.get_mut(&id) {
                held.gradient.settle();
            }
        }
        module.visit(&mut Take { sink: self, gradients, placement });
    }

    /// The L2 norm of all gradients of `module` together, `[1]`, on the walk's device.
    pub fn norm<M: Module>(&self, module: &M) -> Tensor<1> {
        let mut squares = Squares { sink: self, sum: None };
        module.visit(&mut squares);
        squares.sum.expect("a model has parameters with gradients").sqrt()
    }

    /// Every gradient of `module` by the parameter's path, read back to the host: for tests and `certify`.
    ///
    /// A matrix over the vocabulary is whole, whatever its shards.
    pub fn named<M: Module>(self, module: &M) -> Vec<(String, TensorData)> {
        let mut named = Named { sink: self, path: Vec::new(), found: Vec::new() };
        module.visit(&mut named);
        named.found
    }

    /// Empties the sink into what the optimizer takes: each gradient where its parameter lives, times `factor` if given.
    ///
    /// Waits for the device only where parameters live in host memory.
    pub fn into_gradients<M: Module>(self, module: &M, factor: Option<Tensor<1>>) -> GradientsParams {
        let host_factor = factor.clone().filter(|_| !self.on_host.is_empty()).map(|it| it.to_device(&Device::flex()));
        let mut collect = Collect { sink: self, factor, host_factor, gradients: GradientsParams::new() };
        module.visit(&mut collect);
        collect.gradients
    }
}

/// The sum of the squares, `[1]`.
fn square_sum<const D: usize>(gradient: Tensor<D>) -> Tensor<1> {
    // Row sums, then their sum: one reduction over everything may use float atomics, whose order varies.
    let [rows, columns] = [gradient.dims()[0], gradient.dims()[1..].iter().product()];
    gradient.reshape([rows, columns]).square().sum_dim(1).sum_dim(0).reshape([1])
}

struct Take<'a> {
    sink: &'a mut Sink,
    gradients: &'a mut Gradients,
    placement: Placement,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad_remove(self.gradients) {
            self.sink.add(param.id, gradient, self.placement);
        }
    }
}

struct Squares<'a> {
    sink: &'a Sink,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let on_device = self.sink.on_device.get::<D>(param.id).map(square_sum);
        let on_host = || self.sink.on_host.get(&param.id).map(|held| held.square_sum.clone());
        let Some(square) = on_device.or_else(on_host) else { return };
        self.sum = Some(match self.sum.take() {
            Some(sum) => sum + square,
            None => square,
        });
    }
}

struct Named {
    sink: Sink,
    path: Vec<String>,
    found: Vec<(String, TensorData)>,
}

impl ModuleVisitor for Named {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let on_device = self.sink.on_device.get::<D>(param.id).map(Tensor::into_data);
        let on_host = self.sink.on_host.remove(&param.id).map(|held| held.gradient.on_host::<D>().into_data());
        let Some(data) = on_device.or(on_host) else { return };
        let path = self.path.join(".");
        match path.split_once(".shards.") {
            None => self.found.push((path, data)),
            Some((matrix, "0")) => self.found.push((matrix.into(), data)),
            Some(_) => {
                let (_, whole) = self.found.last_mut().expect("shards come in order");
                let rows = whole.shape()[0] + data.shape()[0];
                let values: Vec<f32> = whole.iter::<f32>().chain(data.iter::<f32>()).collect();
                *whole = TensorData::new(values, [rows, data.shape()[1]]);
            }
        }
    }
}

struct Collect {
    sink: Sink,
    factor: Option<Tensor<1>>,
    host_factor: Option<Tensor<1>>,
    gradients: GradientsParams,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (gradient, factor) = match self.sink.on_device.remove::<D>(param.id) {
            Some(gradient) => (gradient, &self.factor),
            None => match self.sink.on_host.remove(&param.id) {
                Some(held) => (held.gradient.on_host(), &self.host_factor),
                None => return,
            },
        };
        let gradient = match factor {
            Some(factor) => gradient * factor.clone().unsqueeze(),
            None => gradient,
        };
        self.gradients.register(param.id, gradient);
    }
}
