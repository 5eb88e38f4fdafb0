//! Gradients of parameters that live in host memory.

use std::collections::HashMap;

use burn::{
    module::ParamId,
    tensor::{Shape, Tensor, TensorData},
};
use hearth_wgsl::add_squares;

use crate::walk::offloaded::Offloaded;

/// Gradients that wait in host memory, each segment's in one copy.
#[derive(Debug, Default)]
pub(super) struct HostGradients {
    packs: Vec<Pack>,
    /// For the global norm: partial sums of squares of each gradient, on the walk's device.
    squares: HashMap<ParamId, Tensor<1>>,
}

/// Gradients of one segment, end to end.
#[derive(Debug)]
struct Pack {
    parts: Vec<(ParamId, Shape)>,
    values: Offloaded,
}

/// A gradient on its way into a pack.
pub(super) struct Arrival {
    id: ParamId,
    shape: Shape,
    values: Tensor<1>,
}

impl Arrival {
    pub fn new<const D: usize>(id: ParamId, gradient: Tensor<D>) -> Self {
        let shape = gradient.shape();
        let elements = shape.num_elements();
        Self { id, shape, values: gradient.reshape([elements]) }
    }
}

impl HostGradients {
    /// Sends gradients to host memory together, added to what waits there for the same parameters.
    ///
    /// One copy is on its way at a time, so that one buffer for transfers serves them all. It was queued a segment ago:
    /// the device has that segment's work before it while the host waits.
    pub fn add(&mut self, mut arrived: Vec<Arrival>) {
        if let Some(last) = self.packs.last_mut() {
            last.values.settle();
        }
        let parts: Vec<(ParamId, Shape)> = arrived.iter().map(|it| (it.id, it.shape.clone())).collect();
        if let Some(at) = self.packs.iter().position(|pack| pack.parts == parts) {
            let earlier: Tensor<1> = self.packs.remove(at).values.restore();
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
        self.packs.push(Pack { parts, values: Offloaded::new(values) });
    }

    /// Partial sums of squares of a parameter's gradient.
    pub fn squares(&self, id: ParamId) -> Option<Tensor<1>> {
        self.squares.get(&id).cloned()
    }

    /// Each gradient by itself. Waits for those whose copies are on their way.
    pub fn unpack(self) -> HashMap<ParamId, TensorData> {
        let mut gradients = HashMap::new();
        for pack in self.packs {
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
}
