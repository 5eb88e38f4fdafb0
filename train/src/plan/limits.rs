//! What a device can hold and bind.

use hearth_model::KernelSet;
use serde::{Deserialize, Serialize};

/// What a device can hold and bind, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeviceLimits {
    /// Memory that a step may take, where it is known.
    pub memory: Option<u64>,
    /// Whether that memory is apart from the host's, so that moving tensors to the host makes room.
    pub apart: bool,
    /// Largest tensor: the smaller of the largest buffer and the largest binding. `None` on the CPU.
    pub tensor: Option<u64>,
    /// Whether a driver may reset the device when one kernel takes too long, as Windows does after two seconds.
    pub watchdog: bool,
    /// Which of Hearth's kernels run on it.
    pub kernels: KernelSet,
}

impl DeviceLimits {
    /// The limits of the CPU, where nothing else is known.
    pub const fn of_host() -> Self {
        Self { memory: None, apart: false, tensor: None, watchdog: false, kernels: KernelSet::Cpu }
    }
}
