//! The devices of a run, and the engine that they make together.

use std::{path::PathBuf, sync::Arc};

use crate::{
    TrainConfig, TrainError,
    checkpoint::KernelChoices,
    devices::{OpenDevice, PinnedKernels, matmul_flops},
    engine::{Alone, Data},
    parallel::Exchange,
    session::{Engine, Identity, Origin},
};

/// Who works on a run, and on what.
pub(super) struct Crew {
    pub config: Arc<TrainConfig>,
    pub identity: Identity,
    pub data: Data,
    /// The first rank's.
    pub device: OpenDevice,
    /// Those of the ranks that are threads beside it.
    pub others: Vec<OpenDevice>,
    /// Instead: the line to ranks that are processes.
    pub line: Option<Exchange>,
}

impl Crew {
    /// The engine of all devices that are left.
    ///
    /// # Errors
    /// Ranks that are not of one run, or that cannot do what is asked of them; no plan that fits.
    pub fn engine(&mut self, origin: &Origin) -> Result<Box<dyn Engine>, TrainError> {
        let (config, data, device) = (self.config.clone(), self.data.clone(), &self.device);
        let flops = matmul_flops(&device.device);
        let cut = origin.cut(&config, &device.adapter);
        Ok(Box::new(Alone::new(config, data, &device.device, &device.limits, flops, cut)?))
    }

    /// Has the devices of this process run the kernels of `choices`: see [`PinnedKernels::new`].
    pub fn pin(&self, path: PathBuf, choices: &KernelChoices) -> PinnedKernels {
        let devices = [&self.device].into_iter().chain(&self.others);
        PinnedKernels::new(devices, path, choices)
    }

    /// Whether ranks can be started again.
    pub fn may_restart(&self) -> bool {
        true
    }

    /// Lets go of the other devices of these numbers.
    pub fn remove(&mut self, failed: &[usize]) {
        let mut number = 0;
        self.others.retain(|_| {
            number += 1;
            !failed.contains(&(number - 1))
        });
    }

    /// Number of devices.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }
}
