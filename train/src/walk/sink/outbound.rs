//! Gradients that leave by an outlet, and come back as sums.

use burn::{
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Device, Shape, Tensor, TensorData},
};

use super::host::{HostGradients, Parts};
use crate::walk::outlet::Outlet;

/// The gradients that have left, in order, and whether more may leave.
#[derive(Debug)]
pub(super) struct Outbound {
    outlet: Box<dyn Outlet>,
    /// Whether the micro-batch is the last, so that the gradients of a segment that is done are final.
    is_last: bool,
    /// What has left at once, in order.
    sent: Vec<Sending>,
}

/// Gradients that have left at once.
#[derive(Debug)]
enum Sending {
    /// Those of a segment on the walk's device.
    OnDevice(Vec<Sent>),
    /// Those of parameters that live in host memory.
    OnHost(Parts),
}

/// A gradient that has left.
#[derive(Debug)]
struct Sent {
    id: ParamId,
    shape: Shape,
    /// Remembers the tensor's rank, which is a constant of the type and no part of the shape.
    register: fn(&mut GradientsParams, ParamId, TensorData, &Device),
}

impl Outbound {
    pub fn new(outlet: impl Outlet + 'static) -> Self {
        Self { outlet: Box::new(outlet), is_last: false, sent: Vec::new() }
    }

    pub fn expect_last(&mut self) {
        self.is_last = true;
    }

    /// Sends the gradients of `module` if they are final: removes them from `gradients`.
    pub fn send<M: Module>(&mut self, module: &M, gradients: &mut GradientsParams) {
        if !self.is_last {
            return;
        }
        let mut flatten = Flatten { gradients, sent: Vec::new(), values: Vec::new() };
        module.visit(&mut flatten);
        let Flatten { sent, values, .. } = flatten;
        if !sent.is_empty() {
            self.outlet.send(Tensor::cat(values, 0));
            self.sent.push(Sending::OnDevice(sent));
        }
    }

    /// Whether gradients that arrive are the last.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Sends the last gradients of parameters that live in host memory.
    pub fn send_of_host(&mut self, (parts, values): (Parts, Tensor<1>)) {
        self.outlet.send(values);
        self.sent.push(Sending::OnHost(parts));
    }

    /// What was sent, with the values that `receive` gives for each segment: that on the walk's `device`, and that in host
    /// memory.
    pub fn receive<E>(
        self,
        device: &Device,
        mut receive: impl FnMut() -> Result<Vec<f32>, E>,
    ) -> Result<(GradientsParams, HostGradients), E> {
        let (mut sums, mut on_host) = (GradientsParams::new(), HostGradients::default());
        for sending in self.sent {
            let values = receive()?;
            let segment = match sending {
                Sending::OnDevice(segment) => segment,
                Sending::OnHost(parts) => {
                    on_host.insert(parts, &values, device);
                    continue;
                }
            };
            let mut rest = values.as_slice();
            for Sent { id, shape, register } in segment {
                let (own, others) = rest.split_at(shape.num_elements());
                register(&mut sums, id, TensorData::new(own.to_vec(), shape), device);
                rest = others;
            }
        }
        Ok((sums, on_host))
    }
}

fn register<const D: usize>(gradients: &mut GradientsParams, id: ParamId, values: TensorData, device: &Device) {
    gradients.register(id, Tensor::<D>::from_data(values, device));
}

/// Moves gradients out, flat.
struct Flatten<'a> {
    gradients: &'a mut GradientsParams,
    sent: Vec<Sent>,
    values: Vec<Tensor<1>>,
}

impl ModuleVisitor for Flatten<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return };
        let shape = gradient.shape();
        let elements = shape.num_elements();
        self.sent.push(Sent { id: param.id, shape, register: register::<D> });
        self.values.push(gradient.reshape([elements]));
    }
}
