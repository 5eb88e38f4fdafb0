//! Tensors that are on their way to a file.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{TrainError, checkpoint::tensors::TensorSpec, readback::Readback};

/// A tensor that is one in a file; a matrix over the vocabulary may have come in several parts.
pub(super) struct PendingTensor {
    pub spec: TensorSpec,
    pub parts: Vec<PendingPart>,
}

/// Values that are consecutive in a file.
pub(super) enum PendingPart {
    OnDevice(Readback),
    /// In host memory already. Held as it is: the next update makes new tensors, and this one is then no one else's, so
    /// that its values are taken without a copy.
    OnHost(Box<dyn FnOnce() -> TensorData + Send>),
}

impl PendingPart {
    /// Queues the copy of a tensor.
    pub fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        match tensor.device() == Device::flex() {
            true => Self::OnHost(Box::new(move || tensor.into_data())),
            false => Self::OnDevice(Readback::new(tensor)),
        }
    }

    /// Waits for the values, unless they have arrived.
    pub fn data(self) -> Result<TensorData, TrainError> {
        match self {
            Self::OnDevice(copy) => copy.wait().map_err(TrainError::of_device),
            Self::OnHost(take) => Ok(take()),
        }
    }
}

/// Adds values of the shape `shape` to the tensor of this name, below those that it has, or as a new one.
pub(super) fn push(tensors: &mut Vec<PendingTensor>, name: String, shape: &[usize], part: PendingPart) {
    // The parts of a matrix follow one another closely.
    match tensors.iter_mut().rev().find(|tensor| tensor.spec.name == name) {
        Some(matrix) => {
            matrix.spec.shape[0] += shape[0];
            matrix.parts.push(part);
        }
        None => tensors.push(PendingTensor { spec: TensorSpec { name, shape: shape.into() }, parts: vec![part] }),
    }
}
