//! The first rank's side of a run on several devices: it gives the orders, and answers for all.

use std::{future::ready, iter, ops::Range};

use burn::module::Module;
use hearth_data::{Batch, rows_by_speed};
use hearth_model::Transformer;

use super::{
    Members,
    blame::causes,
    build,
    figures::Figures,
    follow::Follower,
    pipes::{self, pipes},
    protocol::{Division, Duty, Greeting, Order, from_bytes, read_greetings, speeds, to_bytes},
    work::{Seat, Site, Work, host_trainer},
    workers::Workers,
};
use crate::{
    TrainConfig, TrainError,
    checkpoint::{Elsewhere, KernelChoices, Snapshot},
    config::OnLoss,
    parallel::{Exchange, Links, Local},
    plan::{Choice, Cut, DeviceLimits, plan, stage_blocks},
    readback::Readback,
    session::{Answer, Assignment, DeviceFigures, DeviceSummary, Engine, Origin, Queued, StepOrder},
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
        let mut seat = Seat::Idle(connect(&members, line, &mut workers)?);
        let mut ranks = greet(&members, &mut seat)?;
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
        let mut errors = vec![(0, met)];
        errors.extend(self.workers.join());
        let causes = causes(&errors);
        let (_, met) = errors.swap_remove(0);
        let own = causes.iter().find(|(rank, _)| *rank == 0);
        match (own, met, causes.first()) {
            (Some((_, reason)), TrainError::Collective(_), _) => TrainError::Device(reason.clone()),
            (None, TrainError::Collective(_), Some((rank, reason))) => {
                self.failed = causes.iter().map(|(rank, _)| rank - 1).collect();
                let name = |rank: usize| self.ranks.get(rank).map_or(String::new(), |it| it.device.clone());
                let more = causes[1..].iter().map(|(rank, reason)| format!("; {}: {reason}", name(*rank)));
                let reason = iter::once(reason.clone()).chain(more).collect();
                TrainError::Rank { rank: *rank, device: name(*rank), reason }
            }
            (_, met, _) => met,
        }
    }

    /// Starts the other ranks again, after something went wrong.
    fn restart(&mut self) -> Result<(), TrainError> {
        self.seat = Seat::Left;
        self.workers.join();
        if self.processes {
            return Err(TrainError::Internal("ranks that are processes cannot be started again".into()));
        }
        self.seat = Seat::Idle(connect(&self.members, None, &mut self.workers)?);
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
    fn gather(&mut self) -> Result<crate::step::Trainer, TrainError> {
        self.order(&Order::GatherModel)?;
        let config = self.members.config.clone();
        let whole = self.seat.work()?.rank.gather(|| host_trainer(&config, &Origin::Seed))?;
        whole.ok_or_else(|| TrainError::Internal("the first rank has gathered no model".into()))
    }

    fn validation_loss(&mut self) -> Result<f64, TrainError> {
        let rows = match self.is_staged() {
            true => {
                self.order(&Order::Evaluate)?;
                self.members.config.batch.micro_batch
            }
            false => self.assignment.cut().micro_batch,
        };
        let validation = &self.members.data.validation;
        let counted: usize = validation.iter().map(Batch::counted).sum();
        Ok(self.seat.work()?.rank.evaluate(validation, rows)? / counted as f64)
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
            team.figures.add(&ranks);
            Ok(Queued { outcome, ranks })
        })
    }

    fn check(&mut self) -> Answer<'_, ()> {
        let witness = self.seat.work().map(|work| Readback::new(work.rank.trainer().witness()));
        Box::pin(async { witness?.data().await.map(drop).map_err(TrainError::of_device) })
    }

    fn evaluate(&mut self) -> Answer<'_, f64> {
        Box::pin(ready(self.together(Self::validation_loss)))
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
            true => Ok(team.gather()?.model().valid()),
            false => Ok(team.seat.work()?.rank.trainer().model().valid()),
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

/// # Errors
/// What ranks that are processes cannot do.
fn refuse_of_processes(config: &TrainConfig) -> Result<(), TrainError> {
    let refuse = |reason: String| Err(TrainError::Config { source_name: "several devices".into(), reason });
    if config.parallel.on_loss == OnLoss::Continue {
        return refuse(
            "parallel.on_loss = \"continue\": mpirun ends all processes with the first that is lost; leave it out, and \
             start them again with --resume auto"
                .into(),
        );
    }
    if config.parallel.stages > 1 {
        return refuse(format!(
            "parallel.stages = {}: the stages of a model are devices of one process; leave out --parallel mpi, or the stages",
            config.parallel.stages
        ));
    }
    Ok(())
}

/// Starts the ranks that are threads; the first one's links to all, or the `line` that is there.
fn connect(members: &Members, line: Option<Exchange>, workers: &mut Workers) -> Result<Links, TrainError> {
    let config = &members.config;
    let world = line.as_ref().map_or(members.others.len() + 1, Exchange::world);
    pipes::check(config, world)?;
    if let Some(line) = line {
        return Ok(Links { line, pipe: None });
    }
    let mut links = Local::group(world).into_iter().zip(pipes(config, world));
    let mut next = || links.next().map(|(rank, pipe)| Links { line: Exchange::new(rank), pipe });
    let own = next().expect("the first is always there");
    for (number, device) in members.others.iter().enumerate() {
        let links = next().expect("one a device");
        let (config, train, device) = (config.clone(), members.data.train.clone(), device.clone());
        let site = Site { config, train, device, speed: 0.0 };
        let validation = if links.pipe.is_some() { members.data.validation.clone() } else { Vec::new() };
        workers.spawn(number + 1, Follower::new(site, members.identity.clone(), validation, links));
    }
    Ok(own)
}

/// What each rank is.
fn greet(members: &Members, seat: &mut Seat) -> Result<Vec<Greeting>, TrainError> {
    let own = Greeting::new(&members.config, &members.identity, &members.device);
    read_greetings(&seat.line()?.all_gather(to_bytes(&own))?)
}

/// Who does what, and the first rank's plan: as in the run's checkpoint, as far as that is of as many ranks and stages; else
/// by the speed and the memory of the devices.
fn divide(
    members: &Members,
    site: &Site,
    ranks: &[Greeting],
    origin: &Origin,
) -> Result<(Assignment, Choice), TrainError> {
    let config = &*members.config;
    let (world, stages) = (ranks.len(), config.parallel.stages);
    let earlier = origin.kept(config, &members.device.adapter, world, stages);
    let speeds: Vec<f64> = ranks.iter().map(|rank| rank.speed).collect();
    let rows = match earlier.rows_of_ranks() {
        Some(rows) => rows,
        None => {
            let pipelines: Vec<f64> = speeds.chunks(stages).map(|stages| stages.iter().sum()).collect();
            let rows = rows_by_speed(config.batch.micro_batch * config.batch.accumulation, &pipelines)?;
            rows.into_iter().flat_map(|rows| vec![rows; stages]).collect()
        }
    };
    let blocks = match stages {
        1 => Vec::new(),
        _ => {
            let limits: Vec<&DeviceLimits> =
                iter::once(&members.device).chain(&members.others).map(|it| &it.limits).collect();
            stage_blocks(config, &limits, &speeds, &rows, &earlier.blocks)?
        }
    };
    let division = Division { rows, blocks };
    let mut choice = site.plan(0, &division)?;
    if let Some(cut) = earlier.cut.filter(|_| stages == 1) {
        choice.plan = replan(config, site, cut);
    }
    let cut = choice.plan.cut.clone();
    let assignment = Assignment::new(division.rows, division.blocks, cut).map_err(TrainError::Internal)?;
    Ok((assignment, choice))
}

/// What an earlier cut is predicted to take.
fn replan(config: &TrainConfig, site: &Site, cut: Cut) -> crate::plan::Plan {
    plan(&config.model, config.model.context_length, cut, &site.device.limits, &site.rates())
}
