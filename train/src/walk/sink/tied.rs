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

    /// Gives a half back, if there is one.
    pub fn take<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<D>> {
        let on_host = self.on_host.remove(&id).map(Offloaded::restore::<D>);
        self.on_device.remove::<D>(id).or(on_host)
    }
}
