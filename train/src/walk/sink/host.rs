//! Gradients of parameters that live in host memory.

use std::collections::HashMap;

use burn::{
    module::ParamId,
    tensor::{Device, Shape, Tensor, TensorData},
};
use hearth_wgsl::add_squares;

use crate::walk::offloaded::Offloaded;

/// Gradients that wait in host memory, each segment's in one copy.
#[derive(Debug, Default)]
pub(super) struct HostGradients {
    packs: Vec<Pack>,
    /// Sums over several devices, which have come back.
    sums: HashMap<ParamId, TensorData>,
    /// For the global norm: partial sums of squares of each gradient, on the walk's device.
    squares: HashMap<ParamId, Tensor<1>>,
}

/// The gradients that are end to end in one tensor.
pub(super) type Parts = Vec<(ParamId, Shape)>;

/// Gradients of one segment, end to end.
#[derive(Debug)]
struct Pack {
    parts: Parts,
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
    pub fn add(&mut self, arrived: Vec<Arrival>) {
        let (parts, arrived) = self.merge(arrived);
        for it in &arrived {
            self.squares.insert(it.id, add_squares(None, it.values.clone()));
        }
        self.packs.push(Pack { parts, values: Offloaded::new(joined(arrived)) });
    }

    /// The gradients, added to what waits in host memory for the same parameters, `[n]` on the walk's device: the last of
    /// them, which leave.
    pub fn finish(&mut self, arrived: Vec<Arrival>) -> (Parts, Tensor<1>) {
        let (parts, arrived) = self.merge(arrived);
        (parts, joined(arrived))
    }

    /// Takes the sums of gradients that have left; `device` is the walk's.
    pub fn insert(&mut self, parts: Parts, values: &[f32], device: &Device) {
        for (id, shape, own) in split(parts, values) {
            let elements = [own.len()];
            let squares = add_squares(None, Tensor::<1>::from_data(TensorData::new(own.clone(), elements), device));
            self.squares.insert(id, squares);
            self.sums.insert(id, TensorData::new(own, shape));
        }
    }

    /// Adds what waits in host memory for the same parameters to gradients that have arrived.
    fn merge(&mut self, mut arrived: Vec<Arrival>) -> (Parts, Vec<Arrival>) {
        if let Some(last) = self.packs.last_mut() {
            last.values.settle();
        }
        let parts: Parts = arrived.iter().map(|it| (it.id, it.shape.clone())).collect();
        if let Some(at) = self.packs.iter().position(|pack| pack.parts == parts) {
            let earlier: Tensor<1> = self.packs.remove(at).values.restore();
            let mut start = 0;
            for it in &mut arrived {
                let end = start + it.shape.num_elements();
                it.values = earlier.clone().narrow(0, start, end - start) + it.values.clone();
                start = end;
            }
        }
        (parts, arrived)
    }

    /// Partial sums of squares of a parameter's gradient.
    pub fn squares(&self, id: ParamId) -> Option<Tensor<1>> {
        self.squares.get(&id).cloned()
    }

    /// Each gradient by itself. Waits for those whose copies are on their way.
    pub fn unpack(self) -> HashMap<ParamId, TensorData> {
        let mut gradients = self.sums;
        for pack in self.packs {
            let values: Vec<f32> = pack.values.values().try_into_vec().expect("gradients are f32");
            gradients.extend(split(pack.parts, &values).map(|(id, shape, own)| (id, TensorData::new(own, shape))));
        }
        gradients
    }
}

/// Gradients end to end, `[n]`.
fn joined(arrived: Vec<Arrival>) -> Tensor<1> {
    Tensor::cat(arrived.into_iter().map(|it| it.values).collect(), 0)
}

/// Each gradient by itself.
fn split(parts: Parts, values: &[f32]) -> impl Iterator<Item = (ParamId, Shape, Vec<f32>)> {
    let mut start = 0;
    parts.into_iter().map(move |(id, shape)| {
        let own = values[start..start + shape.num_elements()].to_vec();
        start += own.len();
        (id, shape, own)
    })
}
