//! The first rank's side of a run on several devices: it gives the orders, and answers for all.

use std::{future::ready, iter, ops::Range};

use burn::{module::Module, tensor::Device};
use hearth_data::Batch;
use hearth_model::Transformer;

use super::{
    Members,
    blame::verdict,
    build,
    connect::{connect, greet, refuse_of_processes},
    divide::divide,
    figures::Figures,
    protocol::{Division, Duty, Greeting, Order, from_bytes, speeds, to_bytes},
    work::{Seat, Site, Work, host_trainer},
    workers::Workers,
};
use crate::{
    TrainError,
    checkpoint::{Elsewhere, KernelChoices, Snapshot},
    parallel::Exchange,
    plan::Choice,
    readback::Readback,
    session::{Answer, Assignment, DeviceFigures, DeviceSummary, Engine, Origin, Queued, StepOrder},
    step::Trainer,
};

/// An engine on several devices, of which this process has the first.
///
/// Its links to the others are dropped before it waits for their threads to end: a rank that waits for another hears that it
/// is gone.
pub struct Team {
    members: Members,
    site: Site,
    seat: Seat,
    workers: Workers,
    /// Whether all ranks wait for an order: not so where something went wrong in the middle of one.
    waits: bool,
    /// What each rank is, by rank.
    ranks: Vec<Greeting>,
    choice: Choice,
    assignment: Assignment,
    /// The step at which the others come back from their steps alone.
    synchronized_at: u64,
    figures: Figures,
    /// Which of the other devices have failed.
    failed: Vec<usize>,
    /// Whether the others are processes, which cannot be started again.
    processes: bool,
}

impl Team {
    /// Starts a thread for each of the other devices, or takes the `line` to ranks that are there, hears what each rank is, and
    /// divides the work of a run that begins at `origin`.
    ///
    /// # Errors
    /// Ranks that are not of one run, or that cannot do what is asked of them; no plan that fits.
    pub fn start(members: Members, line: Option<Exchange>, origin: &Origin) -> Result<Self, TrainError> {
        let processes = line.is_some();
        if processes {
            refuse_of_processes(&members.config)?;
        }
        // Dropped last, after the links.
        let mut workers = Workers::default();
        let mut seat = Seat::Idle(Box::new(connect(&members, line, &mut workers)?));
        let mut ranks = greet(&members, &mut seat).map_err(|met| {
            seat = Seat::Left;
            verdict(met, workers.join(), |rank| members.device_of(rank)).0
        })?;
        // The rates of one kind of device differ by chance.
        let equal = speeds(&ranks);
        ranks.iter_mut().zip(&equal).for_each(|(rank, speed)| rank.speed = *speed);
        let Members { config, data, device, .. } = &members;
        let (config, train, device) = (config.clone(), data.train.clone(), device.clone());
        let site = Site { config, train, device, speed: equal[0] };
        let (assignment, choice) = divide(&members, &site, &ranks, origin)?;
        let figures = Figures::new(ranks.len());
        let mut team = Self {
            members,
            site,
            seat,
            workers,
            waits: true,
            ranks,
            choice,
            assignment,
            synchronized_at: 0,
            figures,
            failed: Vec::new(),
            processes,
        };
        if processes {
            let kernels = origin.kernels()?;
            team.together(|team| team.order(&Order::Pin(kernels)))?;
        }
        Ok(team)
    }

    /// Does what all ranks take part in. If that fails all others are ended, and the error says which rank it was.
    fn together<R>(&mut self, work: impl FnOnce(&mut Self) -> Result<R, TrainError>) -> Result<R, TrainError> {
        self.waits = false;
        let done = work(self).map_err(|error| self.break_off(error))?;
        self.waits = true;
        Ok(done)
    }

    fn order(&mut self, order: &Order) -> Result<(), TrainError> {
        Ok(self.seat.line()?.broadcast(to_bytes(order), 0).map(drop)?)
    }

    /// Leaves the others, which end, and finds out whose fault the error was.
    fn break_off(&mut self, met: TrainError) -> TrainError {
        self.seat = Seat::Left;
        let (error, failed) = verdict(met, self.workers.join(), |rank| self.members.device_of(rank));
        self.failed = failed.into_iter().map(|rank| rank - 1).collect();
        error
    }

    /// Starts the other ranks again, after something went wrong.
    fn restart(&mut self) -> Result<(), TrainError> {
        self.seat = Seat::Left;
        self.workers.join();
        // What could not be made was said; here only memory is given back.
        let _ = self.site.device.device.sync();
        self.site.device.device.memory_cleanup();
        if self.processes {
            return Err(TrainError::Internal("ranks that are processes cannot be started again".into()));
        }
        self.seat = Seat::Idle(Box::new(connect(&self.members, None, &mut self.workers)?));
        self.together(|team| greet(&team.members, &mut team.seat)).map(drop)
    }

    fn division(&self) -> Division {
        Division { rows: self.assignment.rows().to_vec(), blocks: self.assignment.blocks().to_vec() }
    }

    fn is_staged(&self) -> bool {
        self.assignment.stages() > 1
    }

    /// What people should know of the others' plans.
    fn notes(&self, duties: &[Duty]) -> Vec<String> {
        let named = duties.iter().zip(&self.ranks).zip(self.assignment.rows()).skip(1);
        let all = self.assignment.global_rows();
        let note = |((duty, rank), rows): ((&Duty, &Greeting), &Range<usize>)| {
            format!("{} has {} of {all} sequences: {}", rank.device, rows.len(), duty.plan)
        };
        named.map(note).collect()
    }

    /// The whole model with its moments in host memory, where it is in stages.
    fn gather(&mut self) -> Result<Trainer, TrainError> {
        self.order(&Order::GatherModel)?;
        let config = self.members.config.clone();
        let whole = self.seat.work()?.rank.gather(|| host_trainer(&config, &Origin::Seed))?;
        whole.ok_or_else(|| TrainError::Internal("the first rank has gathered no model".into()))
    }

    /// Orders a step; steps alone are ordered when a round of them begins.
    fn order_step(&mut self, order: StepOrder) -> Result<(), TrainError> {
        match self.seat.work()?.rank.local_steps(order.step) {
            None => self.order(&Order::Step(order)),
            Some(count) if order.step >= self.synchronized_at => {
                self.order(&Order::LocalSteps { from: order, count })?;
                self.synchronized_at = order.step + count;
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// Whether the other replicas, or the same stages of other pipelines, are on devices like those of the first.
    fn are_alike(&self) -> bool {
        let adapters = |ranks: &[Greeting]| ranks.iter().map(|rank| rank.adapter.clone()).collect::<Vec<_>>();
        let mut pipelines = self.ranks.chunks(self.assignment.stages()).map(adapters);
        let first = pipelines.next();
        pipelines.all(|other| Some(other) == first)
    }
}

impl Engine for Team {
    fn begin(&mut self, origin: &Origin) -> Result<Vec<String>, TrainError> {
        if !self.waits {
            self.restart()?;
        }
        self.synchronized_at = 0;
        self.figures = Figures::new(self.ranks.len());
        let division = self.division();
        let duties = self.together(|team| {
            team.order(&Order::Begin(division.clone()))?;
            let links = team.seat.take_links()?;
            let (work, duties) = Work::begin(&team.site, links, &division, &team.choice.plan, origin)?;
            team.seat = Seat::Working(Box::new(work));
            Ok(duties)
        })?;
        let own = build::choice_note(&self.choice);
        Ok(iter::once(own).chain(self.notes(&duties)).collect())
    }

    fn step(&mut self, order: StepOrder) -> Result<Queued, TrainError> {
        self.together(|team| {
            team.order_step(order)?;
            let (outcome, ranks) = team.seat.work()?.step(&order)?;
            // A smaller batch says nothing of how long all rows take.
            let sizes = team.members.config.batch.sizes();
            if sizes.rows(order.data) == sizes.full() {
                team.figures.add(&ranks);
            }
            Ok(Queued { outcome, ranks })
        })
    }

    fn check(&mut self) -> Answer<'_, ()> {
        let witness = self.seat.work().map(|work| Readback::new(work.rank.trainer().witness()));
        Box::pin(async { witness?.data().await.map(drop).map_err(TrainError::of_device) })
    }

    fn validation(&self) -> &[Batch] {
        &self.members.data.validation
    }

    fn evaluate(&mut self, batches: Range<usize>) -> Answer<'_, f64> {
        Box::pin(ready(self.together(|team| {
            let rows = match team.is_staged() {
                true => {
                    team.order(&Order::Evaluate(batches.clone()))?;
                    team.members.config.batch.micro_batch
                }
                false => team.assignment.cut().micro_batch,
            };
            Ok(team.seat.work()?.rank.evaluate(&team.members.data.validation[batches], rows)?)
        })))
    }

    fn snapshot(&mut self) -> Result<Snapshot, TrainError> {
        self.together(|team| {
            if team.is_staged() {
                return Ok(Snapshot::take(&team.gather()?, Elsewhere::default()));
            }
            let has_elsewhere = team.seat.work()?.rank.has_elsewhere();
            if has_elsewhere {
                team.order(&Order::GatherMoments)?;
            }
            let rank = &mut team.seat.work()?.rank;
            let elsewhere = if has_elsewhere { rank.gather_elsewhere()? } else { Elsewhere::default() };
            Ok(Snapshot::take(rank.trainer(), elsewhere))
        })
    }

    fn model(&mut self) -> Answer<'_, Transformer> {
        Box::pin(ready(self.together(|team| match team.is_staged() {
            true => Ok(team.gather()?.evaluated()),
            false => {
                let model = team.seat.work()?.rank.trainer().evaluated();
                // Drawn token by token: uploading the model for each would take longer than the CPU does.
                let is_on_host = team.assignment.cut().policy.uses_host();
                Ok(if is_on_host { model.to_device(&Device::flex()) } else { model })
            }
        })))
    }

    fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    fn flops(&self) -> f64 {
        self.ranks.iter().map(|rank| rank.speed).sum()
    }

    fn planned_bytes(&self) -> u64 {
        self.choice.plan.peak_bytes()
    }

    fn shrink(&mut self) -> Option<String> {
        let plan = self.choice.smaller()?.clone();
        let Division { rows, blocks } = self.division();
        self.assignment = Assignment::new(rows, blocks, plan.cut.clone()).ok()?;
        self.choice.plan = plan;
        Some(build::choice_note(&self.choice))
    }

    fn failed(&self) -> Vec<usize> {
        self.failed.clone()
    }

    fn kernels(&mut self) -> Result<KernelChoices, TrainError> {
        let mut kernels = KernelChoices::default();
        if !self.processes {
            return Ok(kernels);
        }
        self.together(|team| {
            team.order(&Order::Kernels)?;
            for others in team.seat.line()?.all_gather(to_bytes(&kernels))?.iter().skip(1) {
                kernels.extend(from_bytes(others).map_err(TrainError::Internal)?);
            }
            Ok(kernels)
        })
    }

    fn is_synchronized(&self, step: u64) -> bool {
        self.members.config.parallel.local_steps == 0 || step >= self.synchronized_at
    }

    fn synchronize(&mut self) -> Result<(), TrainError> {
        let parallel = &self.members.config.parallel;
        if parallel.shard_optimizer || parallel.local_steps > 0 || self.are_alike() {
            return Ok(());
        }
        self.together(|team| {
            team.order(&Order::Synchronize)?;
            Ok(team.seat.work()?.rank.synchronize()?)
        })
    }

    fn rebalance(&mut self) -> Result<Option<String>, TrainError> {
        // The stages of a pipeline have the same rows, and other blocks would be another model's parts.
        if self.is_staged() {
            return Ok(None);
        }
        let every = self.members.config.parallel.rebalance;
        let Some(rows) = self.figures.better_rows(self.assignment.rows(), every) else { return Ok(None) };
        let division = Division { rows: rows.clone(), blocks: Vec::new() };
        let choice = self.site.plan(0, &division)?;
        let assignment = Assignment::new(rows, Vec::new(), choice.plan.cut.clone()).map_err(TrainError::Internal)?;
        let duties = self.together(|team| {
            team.order(&Order::Rebalance(division.clone()))?;
            team.seat.work()?.rebalance(&team.site, &division, &choice.plan)
        })?;
        (self.choice, self.assignment) = (choice, assignment);
        self.notes(&duties).iter().for_each(|note| log::debug!("{note}"));
        let each: Vec<String> = self.assignment.rows_of_each().iter().map(ToString::to_string).collect();
        Ok(Some(format!("sequences of each batch from here on, by measured speed: {}", each.join(", "))))
    }

    fn forget_figures(&mut self) {
        self.figures.forget();
    }

    fn devices(&self) -> Vec<DeviceSummary> {
        let means = self.figures.means();
        let context = self.members.config.model.context_length;
        let each = self.ranks.iter().zip(self.assignment.rows()).enumerate();
        let summary = |(number, (rank, rows)): (usize, (&Greeting, &Range<usize>))| DeviceSummary {
            name: rank.device.clone(),
            sequences: rows.len(),
            figures: means.get(number).map(|mean| DeviceFigures::new(rows.len() * context, mean)),
        };
        each.map(summary).collect()
    }

    fn end(&mut self) -> Result<(), TrainError> {
        self.together(|team| {
            team.order(&Order::End)?;
            team.seat.finish();
            Ok(())
        })
    }
}
