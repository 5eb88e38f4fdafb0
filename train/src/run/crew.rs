//! The devices of a run, and the engine that they make together.

use std::path::PathBuf;

use crate::{
    TrainError,
    checkpoint::KernelChoices,
    devices::{OpenDevice, PinnedKernels},
    engine::{Alone, Members, Team},
    parallel::Exchange,
    session::{Engine, Origin},
};

/// Who works on a run.
pub(super) struct Crew {
    pub members: Members,
    /// The line to ranks that are processes, until an engine has it.
    line: Option<Exchange>,
    /// Whether the other ranks are processes.
    processes: bool,
}

impl Crew {
    pub fn new(members: Members, line: Option<Exchange>) -> Self {
        let processes = line.is_some();
        Self { members, line, processes }
    }

    /// The engine of all devices that are left.
    ///
    /// # Errors
    /// Ranks that are not of one run, or that cannot do what is asked of them; no plan that fits.
    pub fn engine(&mut self, origin: &Origin) -> Result<Box<dyn Engine>, TrainError> {
        let Members { config, data, device, others, .. } = &self.members;
        if config.parallel.experts && self.processes {
            let reason =
                "experts are dealt out over the devices of one process: name them, as in --device wgpu:0,wgpu:1";
            return Err(TrainError::Config { source_name: "parallel.experts".into(), reason: reason.into() });
        }
        if config.parallel.experts && !others.is_empty() {
            let devices: Vec<&OpenDevice> = [device].into_iter().chain(others).collect();
            let cut = origin.kept(config, &device.adapter, 1, 1).cut;
            return Ok(Box::new(Alone::with_experts_on(config.clone(), data.clone(), &devices, cut)?));
        }
        if self.processes || !others.is_empty() {
            return Ok(Box::new(Team::start(self.members.clone(), self.line.take(), origin)?));
        }
        let flops = device.flops();
        let cut = origin.kept(config, &device.adapter, 1, 1).cut;
        Ok(Box::new(Alone::new(config.clone(), data.clone(), &device.device, &device.limits, flops, cut)?))
    }

    /// Has the devices of this process run the kernels of `choices`: see [`PinnedKernels::new`].
    pub fn pin(&self, path: PathBuf, choices: &KernelChoices) -> PinnedKernels {
        let devices = [&self.members.device].into_iter().chain(&self.members.others);
        PinnedKernels::new(devices, path, choices)
    }

    /// Whether ranks can be started again: threads can, processes cannot.
    pub fn may_restart(&self) -> bool {
        !self.processes
    }

    /// Lets go of the other devices of these numbers.
    pub fn remove(&mut self, failed: &[usize]) {
        let mut number = 0;
        self.members.others.retain(|_| {
            number += 1;
            !failed.contains(&(number - 1))
        });
    }

    /// Number of devices.
    pub fn count(&self) -> usize {
        1 + self.members.others.len()
    }
}
