//! The other ranks' side of a run: they do what the first one says, and leave nothing behind.

use std::{env, ops::Range};

use hearth_data::{Batch, Batches, Loader, Share};
use tempfile::{TempDir, tempdir};

use super::{
    note,
    order::{Greeting, Order, StepOrder, from_bytes, read_greetings, to_bytes},
    resume::{Identity, Origin},
    stages::{evaluate, host_trainer, stage_walk},
    survive::surviving,
    team::{Duty, stays_whole},
};
use crate::{
    TrainConfig, TrainError,
    devices::{OpenDevice, PinnedKernels},
    guard::Ceiling,
    parallel::{Exchange, Outer, Pipe, failure, join, share, step_together, whole, whole_moments},
    plan::{Plan, Rates, replica_plan, stage_plan},
    step::Trainer,
};

/// A rank that is not the first.
pub(super) struct Follower {
    pub config: TrainConfig,
    pub identity: Identity,
    pub train: Batches,
    /// For a model in stages.
    pub validation: Vec<Batch>,
    pub device: OpenDevice,
    /// Its place, where the model is in stages.
    pub pipe: Option<Pipe>,
    /// In a process of its own: the kernels that it runs, in a folder of their own.
    pub kernels: Option<(PinnedKernels, TempDir)>,
}

/// Its share of each global batch.
struct Part {
    loader: Loader,
    micro_batches: u64,
    /// Micro-batches of a global batch before its own.
    first: usize,
}

/// What it works with.
struct Work {
    trainer: Trainer,
    outer: Option<Outer>,
    part: Part,
}

impl Follower {
    /// Works until the first rank says that the run is over.
    ///
    /// # Errors
    /// A device that fails; a rank that is gone.
    pub fn follow(mut self, mut exchange: Exchange) -> Result<(), TrainError> {
        exchange.slow_down(self.device.slowed);
        let greeting = surviving(0, || Ok(Greeting::new(&self.config, &self.identity, &self.device)))?;
        let all = exchange.collect(to_bytes(&greeting)).map_err(failure)?;
        let speed = read_greetings(&all)?[exchange.rank()].speed;
        let mut planned = 0;
        let mut work = None;
        loop {
            let order = exchange.broadcast(Vec::new(), 0).map_err(failure)?;
            let order = from_bytes(&order).map_err(TrainError::Internal)?;
            if order == Order::End {
                exchange.finish();
                return Ok(());
            }
            let work_given = match &order {
                Order::Begin { rows, blocks } => Some((rows, &blocks[..])),
                Order::Share { rows } => Some((rows, &[][..])),
                _ => None,
            };
            if let Some((rows, blocks)) = work_given {
                planned = self.plan(rows, blocks, exchange.rank(), speed).map_or(0, |plan| plan.peak_bytes());
            }
            surviving(planned, || self.obey(order, &mut exchange, speed, &mut work))?;
        }
    }

    fn obey(
        &mut self,
        order: Order,
        exchange: &mut Exchange,
        speed: f64,
        work: &mut Option<Work>,
    ) -> Result<(), TrainError> {
        match (order, work.as_mut()) {
            (Order::Begin { rows, blocks }, _) if !blocks.is_empty() => {
                *work = None;
                let mut whole = host_trainer(&self.config, &Origin::Seed)?;
                share(&mut whole, exchange, None).map_err(failure)?;
                let pipe = self.pipe.as_ref().expect("the model is in stages");
                let own = blocks[exchange.rank() % blocks.len()].clone();
                let plan = self.plan(&rows, &blocks, exchange.rank(), speed)?;
                let trainer = whole.stage(stage_walk(&self.config, own, &plan.cut, &self.device), pipe);
                let part = self.part(&plan, &rows, exchange)?;
                *work = Some(Work { trainer, outer: None, part });
            }
            (Order::Evaluate, Some(work)) => {
                let pipe = self.pipe.as_ref().expect("the model is in stages");
                let rows = self.config.batch.micro_batch;
                evaluate(pipe, &work.trainer, exchange, &self.validation, rows).map_err(failure)?;
            }
            (Order::Whole, Some(work)) => {
                let pipe = self.pipe.as_ref().expect("the model is in stages");
                let nothing = || unreachable!("the first rank alone makes one");
                whole(&work.trainer, pipe, exchange, self.config.parallel.stages, nothing)?;
            }
            (Order::Begin { rows, .. }, _) => {
                *work = None;
                let plan = self.plan(&rows, &[], exchange.rank(), speed)?;
                let mut trainer = super::trainer(&self.config, &plan.cut, &self.device, &Origin::Seed)?;
                let outer = join(&mut trainer, exchange, &self.config.parallel, None).map_err(failure)?;
                *work = Some(Work { trainer, outer, part: self.part(&plan, &rows, exchange)? });
            }
            (Order::Share { rows }, Some(work)) => {
                let plan = self.plan(&rows, &[], exchange.rank(), speed)?;
                work.trainer.recut(&plan.cut);
                work.part = self.part(&plan, &rows, exchange)?;
            }
            (Order::Pin(choices), _) => {
                self.kernels = None;
                let action = "making a folder";
                let folder = tempdir().map_err(|source| TrainError::Io { action, path: env::temp_dir(), source })?;
                let (path, choices) = (folder.path().join("kernels.db"), choices.starting_at(exchange.rank()));
                self.kernels = Some((PinnedKernels::new([&self.device], path, &choices), folder));
            }
            (Order::Kernels, _) => {
                let (kernels, _) = self.kernels.as_ref().expect("asked of processes, which were told some");
                exchange.collect(to_bytes(&kernels.choices())).map_err(failure)?;
            }
            (Order::Level, Some(Work { trainer, .. })) => match &mut self.pipe {
                Some(pipe) => pipe.level(trainer).map_err(failure)?,
                None => drop(share(trainer, exchange, None).map_err(failure)?),
            },
            (Order::Step(order), Some(Work { trainer, part, .. })) => {
                trainer.loss_factor = order.loss_factor;
                let batches = part.batches(order.data)?;
                let StepOrder { step, ceiling, .. } = order;
                if let Some(pipe) = &mut self.pipe {
                    pipe.step(trainer, step, part.first, &batches, &ceiling).map_err(failure)?;
                    part.give_back(batches);
                    return Ok(());
                }
                step_together(trainer, exchange, step, part.first, &batches, &ceiling).map_err(failure)?;
                part.give_back(batches);
            }
            (Order::Alone { from, count }, Some(Work { trainer, outer, part })) => {
                for number in 0..count {
                    let batches = part.batches(from.data + number)?;
                    trainer.step(from.step + number, &batches, &Ceiling::FINITE);
                    part.give_back(batches);
                }
                let outer = outer.as_mut().expect("made where all began");
                outer.step(trainer, exchange).map_err(failure)?;
            }
            (Order::Moments, Some(work)) => drop(whole_moments(&work.trainer, exchange).map_err(failure)?),
            (order, _) => return Err(TrainError::Internal(format!("{order:?} before there was a model"))),
        }
        Ok(())
    }

    /// How it takes its steps, with these blocks where the model is in stages.
    fn plan(
        &self,
        rows: &[Range<usize>],
        blocks: &[Range<usize>],
        rank: usize,
        speed: f64,
    ) -> Result<Plan, TrainError> {
        let (limits, rates) = (&self.device.limits, Rates { flops: speed, ..Rates::default() });
        let choice = match blocks.len() {
            0 => replica_plan(&self.config, &rows[rank], rows.len(), limits, &rates)?,
            stages => {
                stage_plan(&self.config, (rank, rows.len()), &blocks[rank % stages], &rows[rank], limits, &rates)?
            }
        };
        if choice.plan.cut.policy.uses_host() {
            return Err(stays_whole(&self.device.name));
        }
        Ok(choice.plan)
    }

    /// Its share, and where it stands among those of all.
    fn part(&self, plan: &Plan, rows: &[Range<usize>], exchange: &mut Exchange) -> Result<Part, TrainError> {
        let global = rows.last().map_or(0, |rows| rows.end);
        let share = Share::of_rows(global, rows[exchange.rank()].clone(), plan.cut.micro_batch);
        let micro_batches = share.micro_batches();
        let duty = Duty { micro_batches, plan: note(plan) };
        let duties = exchange.collect(to_bytes(&duty)).map_err(failure)?;
        // The stages of a pipeline have the same.
        let stages = self.config.parallel.stages;
        let before = duties[..exchange.rank() / stages * stages]
            .iter()
            .step_by(stages)
            .map(|duty| from_bytes::<Duty>(duty).map(|it| it.micro_batches));
        let first = before.sum::<Result<u64, String>>().map_err(TrainError::Internal)? as usize;
        Ok(Part { loader: Loader::new(self.train.clone(), share, Loader::DEPTH), micro_batches, first })
    }
}

impl Part {
    /// Its own of global batch number `data`.
    fn batches(&mut self, data: u64) -> Result<Vec<Batch>, TrainError> {
        let numbers = data * self.micro_batches..(data + 1) * self.micro_batches;
        Ok(numbers.map(|number| self.loader.batch(number)).collect::<Result<_, _>>()?)
    }

    fn give_back(&mut self, batches: Vec<Batch>) {
        batches.into_iter().for_each(|batch| self.loader.give_back(batch));
    }
}
