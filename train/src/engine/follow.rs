//! The other ranks' side of a run: they do what the first one says, and leave nothing behind.

use std::env;

use hearth_data::Batch;
use tempfile::{TempDir, tempdir};

use super::{
    Members, pipes,
    protocol::{Greeting, Order, from_bytes, read_greetings, to_bytes},
    survive::surviving,
    work::{Seat, Site, Work},
};
use crate::{
    TrainError,
    checkpoint::KernelChoices,
    devices::PinnedKernels,
    error::DeviceError,
    parallel::{CollectiveError, Exchange, Links},
    plan::Plan,
    session::{Identity, Origin, StepOrder},
};

/// Works for the first rank, which `line` leads to, until it says that the run is over.
///
/// # Errors
/// Ranks that are not of one run; a device that fails; a rank that is gone.
pub(crate) fn follow(members: Members, line: Exchange) -> Result<(), TrainError> {
    let Members { config, identity, data, device, .. } = members;
    pipes::check(&config, line.world())?;
    let pipe = pipes::of_process(&config)?;
    let site = Site { config, train: data.train, device, speed: 0.0 };
    Follower::new(site, identity, data.validation, Links { line, pipe }).follow()
}

/// A rank that is not the first.
pub(super) struct Follower {
    number: usize,
    site: Site,
    identity: Identity,
    /// What a model in stages is measured on.
    validation: Vec<Batch>,
    seat: Seat,
    plan: Option<Plan>,
    /// In a process of its own: the kernels that it runs, in a folder of their own.
    kernels: Option<(PinnedKernels, TempDir)>,
}

impl Follower {
    /// A rank with these links to the others.
    pub(super) fn new(site: Site, identity: Identity, validation: Vec<Batch>, links: Links) -> Self {
        let (number, seat) = (links.line.rank(), Seat::Idle(Box::new(links)));
        Self { number, site, identity, validation, seat, plan: None, kernels: None }
    }

    /// Works until the first rank says that the run is over.
    ///
    /// # Errors
    /// A device that fails; a rank that is gone.
    pub(super) fn follow(mut self) -> Result<(), TrainError> {
        let greeting = surviving(0, || Ok(Greeting::new(&self.site.config, &self.identity, &self.site.device)))?;
        let all = self.seat.line()?.all_gather(to_bytes(&greeting))?;
        self.site.speed = read_greetings(&all)?[self.number].speed;
        loop {
            let order = self.seat.line()?.broadcast(Vec::new(), 0)?;
            let order = from_bytes(&order).map_err(TrainError::Internal)?;
            if order == Order::End {
                self.seat.finish();
                return Ok(());
            }
            if let Order::Begin(division) | Order::Rebalance(division) = &order {
                self.plan = Some(self.site.plan(self.number, division)?.plan);
            }
            let planned = self.plan.as_ref().map_or(0, Plan::peak_bytes);
            surviving(planned, || self.obey(order).map_err(|error| of_own_device(error, self.number)))?;
        }
    }

    fn obey(&mut self, order: Order) -> Result<(), TrainError> {
        match (order, &self.plan) {
            (Order::Begin(division), Some(plan)) => {
                let links = self.seat.take_links()?;
                let (work, _) = Work::begin(&self.site, links, &division, plan, &Origin::Seed)?;
                self.seat = Seat::Working(Box::new(work));
                Ok(())
            }
            (Order::Rebalance(division), Some(plan)) => {
                self.seat.work()?.rebalance(&self.site, &division, plan).map(drop)
            }
            (Order::Step(order), _) => self.seat.work()?.step(&order).map(drop),
            (Order::LocalSteps { from, count }, _) => self.local_steps(from, count),
            (Order::Synchronize, _) => Ok(self.seat.work()?.rank.synchronize()?),
            (Order::GatherMoments, _) => Ok(self.seat.work()?.rank.gather_elsewhere().map(drop)?),
            (Order::Evaluate(batches), _) => {
                let rows = self.site.config.batch.micro_batch;
                Ok(self.seat.work()?.rank.evaluate(&self.validation[batches], rows).map(drop)?)
            }
            (Order::GatherModel, _) => {
                let nothing = || Err(TrainError::Internal("the first rank alone gathers a model".into()));
                self.seat.work()?.rank.gather(nothing).map(drop)
            }
            (Order::Pin(choices), _) => self.pin(&choices),
            (Order::Kernels, _) => self.tell_kernels(),
            (order, _) => Err(TrainError::Internal(format!("{order:?} is out of place"))),
        }
    }

    /// Takes steps alone; the last one ends with the average. All are judged by the ceiling that the first rank had before the
    /// first of them: it is not asked in between.
    fn local_steps(&mut self, from: StepOrder, count: u64) -> Result<(), TrainError> {
        for number in 0..count {
            let loss_factor = if number == 0 { from.loss_factor } else { 1.0 };
            let order = StepOrder { step: from.step + number, data: from.data + number, loss_factor, ..from };
            self.seat.work()?.step(&order)?;
        }
        Ok(())
    }

    fn pin(&mut self, choices: &KernelChoices) -> Result<(), TrainError> {
        self.kernels = None;
        let action = "making a folder";
        let folder = tempdir().map_err(|cause| TrainError::Io { action, path: env::temp_dir(), cause })?;
        let (path, choices) = (folder.path().join("kernels.db"), choices.starting_at(self.number));
        self.kernels = Some((PinnedKernels::new([&self.site.device], path, &choices), folder));
        Ok(())
    }

    fn tell_kernels(&mut self) -> Result<(), TrainError> {
        let choices = self.kernels.as_ref().map(|(kernels, _)| kernels.choices()).unwrap_or_default();
        Ok(self.seat.line()?.all_gather(to_bytes(&choices)).map(drop)?)
    }
}

/// A failure of rank `number`'s own device is told as that of a device which is alone.
pub(super) fn of_own_device(error: TrainError, number: usize) -> TrainError {
    match error {
        TrainError::Collective(CollectiveError::Device { rank, reason }) if rank == number => {
            DeviceError::failed(reason).into()
        }
        error => error,
    }
}
