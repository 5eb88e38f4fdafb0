//! Gradients of a matrix that two segments share.

use std::collections::HashMap;

use burn::{module::ParamId, optim::GradientsParams, tensor::Tensor};

use crate::walk::{offloaded::Offloaded, policy::Placement};

/// The head's half of a tied matrix's gradient, until the embedding adds its own.
///
/// Each micro-batch is summed by itself first, so that it makes no difference where it was walked.
#[derive(Debug, Default)]
pub(super) struct TiedHalves {
    on_device: GradientsParams,
    on_host: HashMap<ParamId, Offloaded>,
}

impl TiedHalves {
    /// Keeps a half.
    pub fn keep<const D: usize>(&mut self, id: ParamId, half: Tensor<D>, placement: Placement) {
        match placement {
            Placement::Device => self.on_device.register(id, half),
            Placement::Host => {
                self.on_host.insert(id, Offloaded::new(half));
            }
        }
    }

    /// The sum of the kept half, if there is one, and `gradient`.
    pub fn complete<const D: usize>(&mut self, id: ParamId, gradient: Tensor<D>) -> Tensor<D> {
        let on_host = self.on_host.remove(&id).map(Offloaded::restore::<D>);
        match self.on_device.remove::<D>(id).or(on_host) {
            Some(half) => half + gradient,
            None => gradient,
        }
    }
}
