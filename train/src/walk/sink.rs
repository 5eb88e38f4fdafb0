//! Where parameter gradients arrive and are summed.

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Device, Gradients, Shape, Tensor, TensorData},
};
use hearth_wgsl::add_squares;

use super::{Placement, parked::Parked, tape::boundary};
#[cfg(not(target_family = "wasm"))]
use crate::parallel::Jobs;

/// Sums gradients by parameter: over micro-batches, and over the segments that share a tied matrix.
///
/// Sums are taken in the order of arrival, which the walk fixes, and on the walk's device. The gradients of parameters
/// that live in host memory wait there.
#[derive(Debug, Default)]
pub struct Sink {
    on_device: GradientsParams,
    on_host: Vec<Pack>,
    /// What the global norm needs of those in host memory: partial sums of squares, on the walk's device.
    squares: HashMap<ParamId, Tensor<1>>,
    /// Of this micro-batch, until the other segment that has the parameter adds its own.
    halves: GradientsParams,
    halves_on_host: HashMap<ParamId, Parked>,
    #[cfg(not(target_family = "wasm"))]
    handing_over: Option<HandingOver>,
}

/// Gradients on their way to the other replicas.
#[cfg(not(target_family = "wasm"))]
#[derive(Debug)]
struct HandingOver {
    to: Jobs,
    /// Whether what the walk passes is final: it is in the last micro-batch.
    last: bool,
    sent: Vec<Vec<(ParamId, Shape)>>,
}

/// Gradients that wait in host memory, end to end.
#[derive(Debug)]
struct Pack {
    parts: Vec<(ParamId, Shape)>,
    values: Parked,
}

/// One gradient on its way into a pack.
struct Arrival {
    id: ParamId,
    shape: Shape,
    values: Tensor<1>,
}

impl Sink {
    /// A sink that hands gradients over to the other replicas as the last micro-batch's walk passes them.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn handing_over(to: Jobs) -> Self {
        Self { handing_over: Some(HandingOver { to, last: false, sent: Vec::new() }), ..Self::default() }
    }

    /// The next micro-batch is the last.
    pub(crate) fn expect_last(&mut self) {
        #[cfg(not(target_family = "wasm"))]
        if let Some(handing_over) = &mut self.handing_over {
            handing_over.last = true;
        }
    }

    /// The walk is done with `module` for this micro-batch: in the last one its gradients leave for the other replicas.
    pub(crate) fn passed<M: Module>(&mut self, module: &M) {
        #[cfg(not(target_family = "wasm"))]
        {
            let last = self.handing_over.as_ref().is_some_and(|it| it.last);
            if !last {
                return;
            }
            let mut leave = Leave { on_device: &mut self.on_device, parts: Vec::new(), values: Vec::new() };
            module.visit(&mut leave);
            let Leave { parts, values, .. } = leave;
            let handing_over = self.handing_over.as_mut().expect("just looked at");
            if !parts.is_empty() {
                handing_over.to.reduce(Tensor::cat(values, 0));
                handing_over.sent.push(parts);
            }
        }
        #[cfg(target_family = "wasm")]
        let _ = module;
    }

    /// The sums over all replicas of what was handed over, on `device`; `receive` gives them in the order they left.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn received<E>(
        self,
        device: &Device,
        mut receive: impl FnMut() -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let mut sums = Self::default();
        for parts in self.handing_over.map_or(Vec::new(), |it| it.sent) {
            let values = receive()?;
            let mut rest = values.as_slice();
            for (id, shape) in parts {
                let (own, others) = rest.split_at(shape.num_elements());
                let data = TensorData::new(own.to_vec(), shape.clone());
                match shape.num_dims() {
                    1 => sums.on_device.register::<1>(id, Tensor::from_data(data, device)),
                    _ => sums.on_device.register::<2>(id, Tensor::from_data(data, device)),
                }
                rest = others;
            }
        }
        Ok(sums)
    }

    /// Keeps half a gradient for [`Sink::take`] to add the rest: each micro-batch is summed by itself first, so that it
    /// makes no difference where it was walked.
    pub(crate) fn hold<const D: usize>(&mut self, id: ParamId, half: Tensor<D>, placement: Placement) {
        match placement {
            Placement::Device => self.halves.register(id, half),
            Placement::Host => {
                self.halves_on_host.insert(id, Parked::new(half));
            }
        }
    }

    /// The whole of a gradient whose other half may have been kept.
    fn whole<const D: usize>(&mut self, id: ParamId, gradient: Tensor<D>) -> Tensor<D> {
        let on_host = self.halves_on_host.remove(&id).map(Parked::restore::<D>);
        match self.halves.remove::<D>(id).or(on_host) {
            Some(half) => half + gradient,
            None => gradient,
        }
    }

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
            Placement::Host => self.park(vec![Arrival::new(id, gradient)]),
        }
    }

    /// Moves the gradients of `module`'s parameters out of a tape's `gradients`; to host memory in one copy.
    pub fn take<M: Module>(&mut self, gradients: &mut Gradients, module: &M, placement: Placement) {
        let mut take = Take { sink: self, gradients, placement, for_host: Vec::new() };
        module.visit(&mut take);
        let for_host = take.for_host;
        if !for_host.is_empty() {
            self.park(for_host);
        }
    }

    /// Sends gradients to host memory together, added to what waits there for the same parameters.
    ///
    /// One copy is on its way at a time, so that one buffer for transfers serves them all. It was queued a segment ago:
    /// the device has that segment's work before it while the host waits.
    fn park(&mut self, mut arrived: Vec<Arrival>) {
        if let Some(last) = self.on_host.last_mut() {
            last.values.settle();
        }
        let parts: Vec<(ParamId, Shape)> = arrived.iter().map(|it| (it.id, it.shape.clone())).collect();
        if let Some(at) = self.on_host.iter().position(|pack| pack.parts == parts) {
            let earlier: Tensor<1> = self.on_host.remove(at).values.restore();
            let mut start = 0;
            for it in &mut arrived {
                let end = start + it.shape.num_elements();
                it.values = earlier.clone().narrow(0, start, end - start) + it.values.clone();
                start = end;
            }
        }
        for it in &arrived {
            self.squares.insert(it.id, add_squares(None, it.values.clone()));
        }
        let values = Tensor::cat(arrived.into_iter().map(|it| it.values).collect(), 0);
        self.on_host.push(Pack { parts, values: Parked::new(values) });
    }

    /// The L2 norm of all gradients of `module` together, `[1]`, on the walk's device.
    pub fn norm<M: Module>(&self, module: &M) -> Tensor<1> {
        let squares = self.add_squares(module, None);
        norm_of(squares.expect("a model has parameters with gradients"))
    }

    /// The squares of all gradients of `module` added to those `before`: see [`add_squares`].
    pub(crate) fn add_squares<M: Module>(&self, module: &M, before: Option<Tensor<1>>) -> Option<Tensor<1>> {
        let mut squares = Squares { sink: self, partial: before };
        module.visit(&mut squares);
        squares.partial
    }

    /// Every gradient of `module` by the parameter's path, read back to the host: for tests and `certify`.
    ///
    /// A matrix over the vocabulary is whole, whatever its shards.
    pub fn named<M: Module>(self, module: &M) -> Vec<(String, TensorData)> {
        let on_host = unpack(self.on_host);
        let mut named = Named { on_device: self.on_device, on_host, path: Vec::new(), found: Vec::new() };
        module.visit(&mut named);
        named.found
    }

    /// Empties the sink into what the optimizer takes: each gradient where its parameter lives.
    ///
    /// Waits for the device only where parameters live in host memory.
    pub fn into_gradients<M: Module>(self, module: &M) -> GradientsParams {
        let on_host = unpack(self.on_host);
        let mut collect = Collect { on_device: self.on_device, on_host, gradients: GradientsParams::new() };
        module.visit(&mut collect);
        collect.gradients
    }
}

/// The norm that partial sums of squares come to, `[1]`.
pub(crate) fn norm_of(squares: Tensor<1>) -> Tensor<1> {
    // Merged with additions before it, where parameters live in host memory, the sum would be taken in another order.
    boundary(&squares.device());
    squares.sum_dim(0).sqrt()
}

impl Arrival {
    fn new<const D: usize>(id: ParamId, gradient: Tensor<D>) -> Self {
        let shape = gradient.shape();
        let elements = shape.num_elements();
        Self { id, shape, values: gradient.reshape([elements]) }
    }
}

/// Each packed gradient by itself. Waits for those whose copies are on their way.
fn unpack(packs: Vec<Pack>) -> HashMap<ParamId, TensorData> {
    let mut gradients = HashMap::new();
    for pack in packs {
        let values: Vec<f32> = pack.values.values().try_into_vec().expect("gradients are f32");
        let mut rest = values.as_slice();
        for (id, shape) in pack.parts {
            let (own, others) = rest.split_at(shape.num_elements());
            gradients.insert(id, TensorData::new(own.to_vec(), shape));
            rest = others;
        }
    }
    gradients
}

struct Take<'a> {
    sink: &'a mut Sink,
    gradients: &'a mut Gradients,
    placement: Placement,
    for_host: Vec<Arrival>,
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.val().grad_remove(self.gradients) else { return };
        let gradient = self.sink.whole(param.id, gradient);
        match self.placement {
            Placement::Device => self.sink.add(param.id, gradient, Placement::Device),
            Placement::Host => self.for_host.push(Arrival::new(param.id, gradient)),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
struct Leave<'a> {
    on_device: &'a mut GradientsParams,
    parts: Vec<(ParamId, Shape)>,
    values: Vec<Tensor<1>>,
}

#[cfg(not(target_family = "wasm"))]
impl ModuleVisitor for Leave<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.on_device.remove::<D>(param.id) {
            let shape = gradient.shape();
            let elements = shape.num_elements();
            self.parts.push((param.id, shape));
            self.values.push(gradient.reshape([elements]));
        }
    }
}

struct Squares<'a> {
    sink: &'a Sink,
    partial: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.sink.on_device.get::<D>(param.id) {
            self.partial = Some(add_squares(self.partial.take(), gradient));
        } else if let Some(squares) = self.sink.squares.get(&param.id).cloned() {
            self.partial = Some(match self.partial.take() {
                Some(partial) => partial + squares,
                None => squares,
            });
        }
    }
}

struct Named {
    on_device: GradientsParams,
    on_host: HashMap<ParamId, TensorData>,
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
        let on_device = self.on_device.get::<D>(param.id).map(Tensor::into_data);
        let Some(data) = on_device.or_else(|| self.on_host.remove(&param.id)) else { return };
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
    on_device: GradientsParams,
    on_host: HashMap<ParamId, TensorData>,
    gradients: GradientsParams,
}

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = match self.on_device.remove::<D>(param.id) {
            Some(gradient) => gradient,
            None => match self.on_host.remove(&param.id) {
                Some(data) => Tensor::from_data(data, &Device::flex()),
                None => return,
            },
        };
        self.gradients.register(param.id, gradient);
    }
}
