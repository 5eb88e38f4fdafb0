//! `kernels.json`: the kernels that a run's devices chose, so that a run which goes on runs the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The choices of a run's devices, by rank.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KernelChoices(pub(crate) Vec<DeviceKernels>);

/// The choices of one device, which the next run's device has to be like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceKernels {
    /// Name and driver of the device.
    pub adapter: String,
    pub kernels: ByOperation,
}

/// Choices by operation, and there by shape.
pub(crate) type ByOperation = BTreeMap<String, BTreeMap<String, KernelChoice>>;

/// A kernel among those that can do the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KernelChoice {
    pub index: usize,
    /// Its name, for people.
    pub kernel: String,
}

impl KernelChoices {
    /// Reads the choices of `kernels.json`.
    ///
    /// # Errors
    /// What the JSON reader said.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// The choices as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("choices are plain values")
    }

    /// The choices as they are for a process whose first device has this rank.
    pub fn starting_at(&self, rank: usize) -> Self {
        let mut devices = self.0.clone();
        devices.rotate_left(rank.min(self.0.len()));
        Self(devices)
    }

    /// Adds the choices of the ranks that follow.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether no device has chosen any.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|device| device.kernels.is_empty())
    }

    /// The choices of the device of this rank or, where it was another adapter or had none, of any device like it.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn of(&self, rank: usize, adapter: &str) -> Option<&ByOperation> {
        let alike = |it: &&DeviceKernels| it.adapter == adapter && !it.kernels.is_empty();
        self.0.get(rank).into_iter().chain(&self.0).find(alike).map(|it| &it.kernels)
    }
}
