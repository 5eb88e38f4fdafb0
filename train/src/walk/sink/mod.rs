//! Where parameter gradients arrive and are summed.

mod host;
mod named;
mod norm;
mod outbound;
mod tied;

use std::collections::HashMap;

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Device, Gradients, Tensor, TensorData},
};
use hearth_wgsl::accumulate;

use super::{outlet::Outlet, policy::Placement};
use host::{Arrival, HostGradients};
#[cfg(not(target_family = "wasm"))]
pub(crate) use norm::norm_of;
use outbound::Outbound;
use tied::TiedHalves;

/// Sums gradients by parameter: over micro-batches, and over the segments that share a tied matrix.
///
/// Sums are taken in the order of arrival, which the walk fixes, and on the walk's device. The gradients of parameters
/// that live in host memory wait there.
#[derive(Debug, Default)]
pub struct Sink {
    on_device: GradientsParams,
    on_host: HostGradients,
    tied: TiedHalves,
    outbound: Option<Outbound>,
}

impl Sink {
    /// A sink whose gradients leave by `outlet`, segment by segment, while the last micro-batch's walk goes on.
    pub fn with_outlet(outlet: impl Outlet + 'static) -> Self {
        Self { outbound: Some(Outbound::new(outlet)), ..Self::default() }
    }

    /// Says that the next micro-batch is the last: a segment's gradients are final when its walk is done with it.
    pub fn expect_last(&mut self) {
        if let Some(outbound) = &mut self.outbound {
            outbound.expect_last();
        }
    }

    /// A sink of what has come back of the gradients that left, on `device`. `receive` gives a segment's values, in the
    /// order in which they left.
    ///
    /// # Errors
    /// Those of `receive`.
    pub fn with_sums<E>(self, device: &Device, receive: impl FnMut() -> Result<Vec<f32>, E>) -> Result<Self, E> {
        let sums = self.outbound.map(|outbound| outbound.receive(device, receive)).transpose()?;
        let (on_device, on_host) = sums.unwrap_or_default();
        Ok(Self { on_device, on_host, ..Self::default() })
    }

    /// The walk is done with `module` in this micro-batch: in the last one its gradients leave.
    pub(super) fn complete<M: Module>(&mut self, module: &M) {
        if let Some(outbound) = &mut self.outbound {
            outbound.send(module, &mut self.on_device);
        }
    }

    /// Keeps the head's half of a tied matrix's gradient until the embedding adds its own.
    pub(crate) fn keep_tied_half<const D: usize>(&mut self, id: ParamId, half: Tensor<D>, placement: Placement) {
        self.tied.keep(id, half, placement);
    }

    /// Gives back what the head left of a tied matrix's gradient in this micro-batch.
    pub(super) fn take_tied_half<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<D>> {
        self.tied.take(id)
    }

    /// Adds a gradient of the parameter `id`, which lives at `placement`.
    pub fn add<const D: usize>(&mut self, id: ParamId, gradient: Tensor<D>, placement: Placement) {
        match placement {
            Placement::Device => {
                let sum = match self.on_device.remove::<D>(id) {
                    Some(earlier) => accumulate(earlier, gradient),
                    None => gradient,
                };
                self.on_device.register(id, sum);
            }
            Placement::Host => self.add_of_host(vec![Arrival::new(id, gradient)]),
        }
    }

    /// Adds the gradients of `module`'s parameters, which live at `placement`, out of a tape's `gradients`. A parameter
    /// without one, which is frozen, is passed over.
    pub fn add_all<M: Module>(&mut self, gradients: &mut Gradients, module: &M, placement: Placement) {
        let mut add = AddAll { sink: self, gradients, placement, for_host: Vec::new() };
        module.visit(&mut add);
        let for_host = add.for_host;
        if !for_host.is_empty() {
            self.add_of_host(for_host);
        }
    }

    /// Adds gradients of parameters that live in host memory; the last ones leave, where there is an outlet.
    fn add_of_host(&mut self, arrived: Vec<Arrival>) {
        match &mut self.outbound {
            Some(outbound) if outbound.is_last() => outbound.send_of_host(self.on_host.finish(arrived)),
            _ => self.on_host.add(arrived),
        }
    }

    /// Empties the sink into what the optimizer takes: each gradient where its parameter lives.
    ///
    /// Waits for the device only where parameters live in host memory.
    pub fn into_gradients<M: Module>(self, module: &M) -> GradientsParams {
        let on_host = self.on_host.unpack();
        let mut collect = Collect { on_device: self.on_device, on_host, gradients: GradientsParams::new() };
        module.visit(&mut collect);
        collect.gradients
    }
}

/// Adds a tape's gradients; collects those for host memory, which go there in one copy.
struct AddAll<'a> {
    sink: &'a mut Sink,
    gradients: &'a mut Gradients,
    placement: Placement,
    for_host: Vec<Arrival>,
}

impl ModuleVisitor for AddAll<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.val().grad_remove(self.gradients) else { return };
        match self.placement {
            Placement::Device => self.sink.add(param.id, gradient, Placement::Device),
            Placement::Host => self.for_host.push(Arrival::new(param.id, gradient)),
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
