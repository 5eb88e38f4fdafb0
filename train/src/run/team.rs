//! The first rank's side of a run on several devices: it gives the orders, and keeps what a run leaves behind.

use std::{collections::HashMap, iter, ops::Range, thread::JoinHandle};

use burn::{module::ParamId, tensor::TensorData};
use hearth_data::{Batch, Batches, rows_by_speed};

use super::{
    follow::Follower,
    order::{Greeting, Order, StepOrder, from_bytes, read_greetings, speeds, to_bytes},
    resume::Identity,
    stages::{evaluate, pipes},
};
use crate::{
    TrainConfig, TrainError,
    config::{OnLoss, ParallelConfig},
    devices::{KernelChoices, OpenDevice},
    parallel::{
        CollectiveError, Exchange, Local, Outer, Pipe, RankFigures, failure, join, share, step_together, whole,
        whole_moments,
    },
    plan::{DeviceLimits, stage_blocks},
    step::{StepOutcome, Trainer},
};

/// A new dealing out has to make steps this much shorter to be worth the change.
const WORTHWHILE: f64 = 0.9;

/// Who works on a run besides the first device.
pub(super) struct Crew {
    pub config: TrainConfig,
    pub identity: Identity,
    pub train: Batches,
    pub validation: Vec<Batch>,
    pub device: OpenDevice,
    pub others: Vec<OpenDevice>,
    /// Threads can be started again, processes cannot.
    pub may_restart: bool,
}

/// All ranks of a run, from the first one's side.
pub(super) struct Team {
    exchange: Option<Exchange>,
    /// Those that are threads of this process.
    workers: Vec<Worker>,
    /// Whether the others are processes instead.
    processes: bool,
    /// What each rank is, by rank.
    pub ranks: Vec<Greeting>,
    rows: Vec<Range<usize>>,
    outer: Option<Outer>,
    /// The first rank's place, where the model is in stages.
    pipe: Option<Pipe>,
    stages: usize,
    /// The step at which the others come back from their steps alone.
    together_at: u64,
    /// Those of the crew's other devices whose threads ended by themselves.
    failed: Vec<usize>,
    /// Sums over the steps since the rows were last looked at, by rank.
    seen: Vec<RankFigures>,
    steps_seen: u64,
}

struct Worker {
    name: String,
    thread: Option<JoinHandle<Result<(), TrainError>>>,
}

/// What a rank makes of its rows.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Duty {
    pub micro_batches: u64,
    /// For people.
    pub plan: String,
}

impl Team {
    /// Starts a thread for each of the crew's other devices, or takes the `line` to ranks that are there, and hears what
    /// each rank is.
    ///
    /// # Errors
    /// Ranks that are not of one run, or that cannot do what is asked of them.
    pub fn start(crew: &Crew, line: Option<Exchange>) -> Result<Self, TrainError> {
        if line.is_some() && crew.config.parallel.on_loss == OnLoss::Continue {
            let reason = "parallel.on_loss = \"continue\": mpirun ends all processes with the first that is lost; leave it \
                          out, and start them again with --resume auto";
            return Err(TrainError::Config { source_name: "several devices".into(), reason: reason.into() });
        }
        let processes = line.is_some();
        let mut workers = Vec::new();
        let world = line.as_ref().map_or(crew.others.len() + 1, Exchange::world);
        let mut pipes = pipes(&crew.config, world, processes)?.into_iter();
        let pipe = pipes.next().flatten();
        let exchange = line.unwrap_or_else(|| {
            let mut ranks = Local::group(world).into_iter();
            let exchange = Exchange::new(ranks.next().expect("the first is always there"));
            for ((device, rank), pipe) in crew.others.iter().zip(ranks).zip(pipes) {
                let follower = Follower {
                    config: crew.config.clone(),
                    identity: crew.identity.clone(),
                    train: crew.train.clone(),
                    validation: if pipe.is_some() { crew.validation.clone() } else { Vec::new() },
                    device: device.clone(),
                    pipe,
                    kernels: None,
                };
                let thread = std::thread::spawn(move || follower.follow(Exchange::new(rank)));
                workers.push(Worker { name: device.name.clone(), thread: Some(thread) });
            }
            exchange
        });
        let mut team = Self {
            exchange: Some(exchange),
            workers,
            processes,
            ranks: Vec::new(),
            rows: Vec::new(),
            outer: None,
            pipe,
            stages: crew.config.parallel.stages,
            together_at: 0,
            failed: Vec::new(),
            seen: vec![RankFigures::default(); world],
            steps_seen: 0,
        };
        let greeting = Greeting::new(&crew.config, &crew.identity, &crew.device);
        team.ranks =
            team.together(|exchange| exchange.collect(to_bytes(&greeting))).and_then(|all| read_greetings(&all))?;
        Ok(team)
    }

    /// The rows of a global batch of `global_rows` for each rank, by the speed of its device or its pipeline.
    pub fn rows_by_speed(&self, global_rows: usize) -> Result<Vec<Range<usize>>, TrainError> {
        let pipelines: Vec<f64> = speeds(&self.ranks).chunks(self.stages).map(|stages| stages.iter().sum()).collect();
        let rows = rows_by_speed(global_rows, &pipelines)?;
        Ok(rows.into_iter().flat_map(|rows| vec![rows; self.stages]).collect())
    }

    /// The blocks of each stage: as many as it had `earlier`, or by the speed and the memory of its devices; none where each
    /// rank has the model whole.
    pub fn blocks(
        &self,
        crew: &Crew,
        rows: &[Range<usize>],
        earlier: &[usize],
    ) -> Result<Vec<Range<usize>>, TrainError> {
        if self.pipe.is_none() {
            return Ok(Vec::new());
        }
        let limits: Vec<&DeviceLimits> = iter::once(&crew.device).chain(&crew.others).map(|it| &it.limits).collect();
        stage_blocks(&crew.config, &limits, &speeds(&self.ranks), rows, earlier)
    }

    /// Devices that one model is spread over.
    pub fn stages(&self) -> usize {
        self.stages
    }

    /// The first rank's place in its pipeline, where the model is in stages.
    pub fn pipe(&self) -> Option<&Pipe> {
        self.pipe.as_ref()
    }

    /// All devices' rates together.
    pub fn flops(&self) -> f64 {
        self.ranks.iter().map(|it| it.speed).sum()
    }

    /// Gives all ranks `trainer`'s state, their rows and, in stages, their blocks; `own` is how many micro-batches this one
    /// has. Returns the others' plans. In stages `trainer` has the whole model.
    pub fn begin(
        &mut self,
        trainer: &mut Trainer,
        settings: &ParallelConfig,
        momentum: Option<Vec<f32>>,
        (rows, blocks): (&[Range<usize>], &[Range<usize>]),
        own: u64,
    ) -> Result<Vec<String>, TrainError> {
        self.order(&Order::Begin { rows: rows.to_vec(), blocks: blocks.to_vec() })?;
        self.outer = match blocks.is_empty() {
            true => self.together(|exchange| join(trainer, exchange, settings, momentum))?,
            false => self.together(|exchange| share(trainer, exchange, None)).map(|_| None)?,
        };
        self.together_at = 0;
        self.dealt(rows, own)
    }

    /// Gives each rank other rows from the next step on.
    pub fn share(&mut self, rows: &[Range<usize>], own: u64) -> Result<Vec<String>, TrainError> {
        self.order(&Order::Share { rows: rows.to_vec() })?;
        self.dealt(rows, own)
    }

    /// Has the ranks that are processes run the kernels of these choices.
    pub fn pin(&mut self, kernels: &KernelChoices) -> Result<(), TrainError> {
        if self.processes { self.order(&Order::Pin(kernels.clone())) } else { Ok(()) }
    }

    /// What the ranks chose that are processes.
    pub fn kernels(&mut self) -> Result<KernelChoices, TrainError> {
        let mut kernels = KernelChoices::default();
        if self.processes {
            self.order(&Order::Kernels)?;
            let all = self.together(|exchange| exchange.collect(to_bytes(&kernels)))?;
            for of in &all[1..] {
                kernels.extend(from_bytes(of).map_err(TrainError::Internal)?);
            }
        }
        Ok(kernels)
    }

    /// Gives all ranks the first one's state again, where they are replicas on unlike devices, and all pipelines the first
    /// one's, where theirs are: these drift apart by their rounding, and a run that is resumed begins with one state for all.
    pub fn level(&mut self, trainer: &mut Trainer) -> Result<(), TrainError> {
        let (first, others) = self.ranks.split_at(self.stages);
        let alike = others.chunks(self.stages).all(|ranks| ranks.iter().map(adapter).eq(first.iter().map(adapter)));
        if alike || trainer.optimizer().is_sharded().is_some() || self.outer.is_some() {
            return Ok(());
        }
        self.order(&Order::Level)?;
        match self.pipe.take() {
            Some(mut pipe) => {
                self.together(|_| pipe.level(trainer))?;
                self.pipe = Some(pipe);
                Ok(())
            }
            None => self.together(|exchange| share(trainer, exchange, None)).map(drop),
        }
    }

    fn dealt(&mut self, rows: &[Range<usize>], own: u64) -> Result<Vec<String>, TrainError> {
        self.rows = rows.to_vec();
        self.forget();
        let duty = Duty { micro_batches: own, plan: String::new() };
        let duties = self.together(|exchange| exchange.collect(to_bytes(&duty)))?;
        let named = duties.iter().zip(&self.ranks).zip(rows).skip(1).map(|((duty, rank), rows)| {
            let plan = from_bytes::<Duty>(duty).map_or_else(|error| error, |duty| duty.plan);
            format!("{} has {} of {} sequences: {plan}", rank.device, rows.len(), self.global_rows())
        });
        Ok(named.collect())
    }

    fn global_rows(&self) -> usize {
        self.rows.last().map_or(0, |rows| rows.end)
    }

    /// Does a step everywhere; `micro_batches` are the first rank's.
    ///
    /// # Errors
    /// A rank that failed, with its device's name.
    pub fn step(
        &mut self,
        trainer: &mut Trainer,
        order: StepOrder,
        micro_batches: &[Batch],
    ) -> Result<(StepOutcome, Vec<RankFigures>), TrainError> {
        self.order(&Order::Step(order))?;
        let StepOrder { step, ceiling, .. } = order;
        if let Some(mut pipe) = self.pipe.take() {
            let outcome = self.together(|_| pipe.step(trainer, step, 0, micro_batches, &ceiling))?;
            self.pipe = Some(pipe);
            return Ok((outcome, Vec::new()));
        }
        let (outcome, figures) =
            self.together(|exchange| step_together(trainer, exchange, step, 0, micro_batches, &ceiling))?;
        for (sum, new) in self.seen.iter_mut().zip(&figures) {
            sum.walk += new.walk;
        }
        self.steps_seen += 1;
        Ok((outcome, figures))
    }

    /// Does a step here, while the others do theirs; at the end of `count` such steps all take the average.
    pub fn step_alone(
        &mut self,
        trainer: &mut Trainer,
        order: StepOrder,
        micro_batches: &[Batch],
        count: u64,
    ) -> Result<StepOutcome, TrainError> {
        if order.step >= self.together_at {
            self.order(&Order::Alone { from: order, count })?;
            self.together_at = order.step + count;
        }
        let outcome = trainer.step(order.step, micro_batches, &order.ceiling);
        if order.step + 1 == self.together_at {
            let mut outer = self.outer.take().expect("made where all began");
            self.together(|exchange| outer.step(trainer, exchange))?;
            self.outer = Some(outer);
        }
        Ok(outcome)
    }

    /// Whether all have the same parameters before `step`.
    pub fn is_together(&self, step: u64) -> bool {
        self.outer.is_none() || step >= self.together_at
    }

    /// The momentum of the outer steps.
    pub fn momentum(&self) -> Option<&[f32]> {
        self.outer.as_ref().map(Outer::momentum)
    }

    /// The whole moments, where each rank has a part of them.
    pub fn moments(&mut self, trainer: &Trainer) -> Result<HashMap<ParamId, [TensorData; 2]>, TrainError> {
        if trainer.optimizer().is_sharded().is_none() {
            return Ok(HashMap::new());
        }
        self.order(&Order::Moments)?;
        self.together(|exchange| whole_moments(trainer, exchange))
    }

    /// The summed loss over the validation batches, in parts of `rows`, of a model in stages.
    pub fn evaluate(&mut self, trainer: &Trainer, batches: &[Batch], rows: usize) -> Result<f64, TrainError> {
        self.order(&Order::Evaluate)?;
        let pipe = self.pipe.take().expect("the model is in stages");
        let sums = self.together(|exchange| evaluate(&pipe, trainer, exchange, batches, rows));
        self.pipe = Some(pipe);
        sums
    }

    /// A model in stages put together in host memory, with its moments, into what `make` gives.
    pub fn whole(
        &mut self,
        trainer: &Trainer,
        make: impl FnOnce() -> Result<Trainer, TrainError>,
    ) -> Result<Option<Trainer>, TrainError> {
        if self.pipe.is_none() {
            return Ok(None);
        }
        self.order(&Order::Whole)?;
        let (exchange, pipe) = (self.exchange.as_mut(), self.pipe.as_ref());
        let (exchange, pipe) = exchange.zip(pipe).expect("there until the end");
        whole(trainer, pipe, exchange, self.stages, make)
    }

    /// Other rows for each rank, if they make a step that much shorter by what each took for its own in the last `every`
    /// steps.
    pub fn better_rows(&mut self, every: u64) -> Option<Vec<Range<usize>>> {
        if every == 0 || self.steps_seen < every {
            return None;
        }
        let walks: Vec<f64> = self.seen.iter().map(|it| it.walk / self.steps_seen as f64).collect();
        self.forget();
        better_rows(&self.rows, &walks)
    }

    /// What was seen of the ranks under other rows says nothing.
    fn forget(&mut self) {
        self.steps_seen = 0;
        self.seen.fill(RankFigures::default());
    }

    /// Ends the run everywhere.
    pub fn end(mut self) -> Result<(), TrainError> {
        self.order(&Order::End)?;
        if let Some(exchange) = self.exchange.take() {
            exchange.finish();
        }
        Ok(())
    }

    fn order(&mut self, order: &Order) -> Result<(), TrainError> {
        self.together(|exchange| exchange.broadcast(to_bytes(order), 0)).map(drop)
    }

    /// Does what all ranks do, and says why those ended that are gone.
    fn together<R>(&mut self, work: impl FnOnce(&mut Exchange) -> Result<R, CollectiveError>) -> Result<R, TrainError> {
        let done = work(self.exchange.as_mut().expect("there until the end"));
        done.map_err(|error| {
            let reasons = self.let_go();
            match reasons.is_empty() {
                true => failure(error),
                false => TrainError::Replica(reasons.join("; ")),
            }
        })
    }

    /// Ends all threads and says why those ended that did so by themselves.
    fn let_go(&mut self) -> Vec<String> {
        self.exchange = None;
        let mut reasons = Vec::new();
        for (number, worker) in self.workers.iter_mut().enumerate() {
            let ended = worker.thread.take().and_then(|thread| thread.join().ok()?.err());
            if let Some(error) = ended.filter(|error| !matches!(error, TrainError::Replica(_))) {
                self.failed.push(number);
                reasons.push(format!("{}: {error}", worker.name));
            }
        }
        reasons
    }

    /// Which of the crew's other devices failed.
    pub fn failed(&self) -> &[usize] {
        &self.failed
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.let_go();
    }
}

fn adapter(rank: &Greeting) -> &str {
    &rank.adapter
}

/// See [`Team::better_rows`]; `walks` are the seconds that each rank takes for its rows.
fn better_rows(rows: &[Range<usize>], walks: &[f64]) -> Option<Vec<Range<usize>>> {
    let speeds: Vec<f64> = rows.iter().zip(walks).map(|(rows, walk)| rows.len() as f64 / walk.max(1e-9)).collect();
    let better = rows_by_speed(rows.last()?.end, &speeds).ok()?;
    let slowest = |rows: &[Range<usize>]| {
        rows.iter().zip(&speeds).map(|(rows, speed)| rows.len() as f64 / speed).fold(0.0, f64::max)
    };
    (slowest(&better) < WORTHWHILE * slowest(rows)).then_some(better)
}

/// Gradients of parameters in host memory are not handed over.
pub(super) fn stays_whole(device: &str) -> TrainError {
    let reason = format!(
        "{device} would keep parameters in host memory, which several devices cannot do yet: set \
         memory.parameters = \"device\", lower batch.micro_batch, or train on one device"
    );
    TrainError::Config { source_name: "memory".into(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_has_become_slow_gets_fewer_rows() {
        // Equal rows, one four times as slow: 16 rows in max(13 * 20, 3 * 80) = 260 and not 640.
        assert_eq!(better_rows(&[0..8, 8..16], &[0.16, 0.64]), Some(vec![0..13, 13..16]));
        // Nothing to win: a row more is 14 % of 8.
        assert_eq!(better_rows(&[0..8, 8..16], &[0.16, 0.17]), None);
        assert_eq!(better_rows(&[0..1, 1..2], &[0.1, 0.4]), None);
    }
}
