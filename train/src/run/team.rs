//! The replicas beside the first: each has a device, its share of every global batch, and a thread.

use std::{
    ops::Range,
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use hearth_data::{Batch, Batches, Loader, Share};

use super::{resume::Origin, survive::surviving};
use crate::{
    TrainConfig, TrainError,
    devices::OpenDevice,
    guard::Ceiling,
    parallel::{CollectiveError, Exchange, Local, Replica, step_together},
    plan::Plan,
    step::{StepOutcome, Trainer},
};

/// What one of several devices does of each step.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub device: OpenDevice,
    pub plan: Plan,
    /// Of each global batch.
    pub rows: Range<usize>,
}

impl Member {
    /// Its share of global batches of `global_rows`.
    pub fn share(&self, global_rows: usize) -> Share {
        Share::of_rows(global_rows, self.rows.clone(), self.plan.cut.micro_batch)
    }
}

/// A step, for every replica.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub step: u64,
    /// Number of the global batch.
    pub data: u64,
    pub ceiling: Ceiling,
    pub loss_factor: f64,
}

/// The other replicas, and the line to them.
pub(super) struct Team {
    exchange: Option<Exchange>,
    workers: Vec<Worker>,
}

struct Worker {
    name: String,
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<Result<(), TrainError>>>,
}

impl Team {
    /// A replica for each of `members` beside the first, which takes `before` micro-batches of each global batch.
    ///
    /// # Errors
    /// A device that cannot make its replica.
    pub fn start(
        members: &[Member],
        before: u64,
        config: &TrainConfig,
        origin: &Origin,
        train: &Batches,
    ) -> Result<Self, TrainError> {
        if let Some(member) = members.iter().find(|member| member.plan.cut.policy.uses_host()) {
            return Err(stays_whole(&member.device.name));
        }
        let global_rows = config.batch.micro_batch * config.batch.accumulation;
        let mut ranks = Local::group(members.len() + 1).into_iter();
        let exchange = Exchange::new(ranks.next().expect("the first is always there"));
        let mut first = before;
        let mut workers = Vec::new();
        for (member, local) in members.iter().zip(ranks) {
            let trainer = super::trainer(config, &member.plan.cut, &member.device, origin)?;
            let share = member.share(global_rows);
            let (orders, to_do) = channel();
            let work = Work {
                replica: Replica::new(trainer, local),
                first: first as usize,
                micro_batches: share.micro_batches(),
                loader: Loader::new(train.clone(), share, Loader::DEPTH),
            };
            first += work.micro_batches;
            let planned = member.plan.peak_bytes();
            let thread = std::thread::spawn(move || surviving(planned, || work.go(to_do)));
            workers.push(Worker { name: member.device.name.clone(), orders: Some(orders), thread: Some(thread) });
        }
        Ok(Self { exchange: Some(exchange), workers })
    }

    /// Does a step everywhere; `micro_batches` are the first replica's.
    ///
    /// # Errors
    /// A replica that failed, with its device's name.
    pub fn step(
        &mut self,
        trainer: &mut Trainer,
        order: &Order,
        micro_batches: &[Batch],
    ) -> Result<StepOutcome, TrainError> {
        for orders in self.workers.iter().filter_map(|worker| worker.orders.as_ref()) {
            // One that has ended is missed in the exchange.
            let _ = orders.send(order.clone());
        }
        let exchange = self.exchange.as_ref().expect("there until the end");
        let outcome = step_together(trainer, exchange, order.step, 0, micro_batches, &order.ceiling);
        outcome.map_err(|error| {
            let reasons = self.end();
            match reasons.is_empty() {
                true => failure(error),
                false => TrainError::Replica(reasons.join("; ")),
            }
        })
    }

    /// Ends all and says why those ended that did so by themselves.
    fn end(&mut self) -> Vec<String> {
        self.exchange = None;
        self.workers.iter_mut().for_each(|worker| worker.orders = None);
        let ended = self.workers.iter_mut().filter_map(|worker| {
            let error = worker.thread.take()?.join().ok()?.err()?;
            (!matches!(error, TrainError::Replica(_))).then(|| format!("{}: {error}", worker.name))
        });
        ended.collect()
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.end();
    }
}

/// Gradients of parameters in host memory are not handed over.
pub(super) fn stays_whole(device: &str) -> TrainError {
    let reason = format!(
        "{device} would keep parameters in host memory, which several devices cannot do yet: set \
         memory.parameters = \"device\", lower batch.micro_batch, or train on one device"
    );
    TrainError::Config { source_name: "memory".into(), reason }
}

/// Its own device's failure is told as any; another's is that replica's to tell.
fn failure(error: CollectiveError) -> TrainError {
    match error {
        CollectiveError::Device(text) => TrainError::Device(text),
        error => TrainError::Replica(error.to_string()),
    }
}

/// One replica's work.
struct Work {
    replica: Replica,
    /// Micro-batches of a global batch before its own.
    first: usize,
    micro_batches: u64,
    loader: Loader,
}

impl Work {
    fn go(mut self, orders: Receiver<Order>) -> Result<(), TrainError> {
        for Order { step, data, ceiling, loss_factor } in orders {
            let numbers = data * self.micro_batches..(data + 1) * self.micro_batches;
            let batches = numbers.map(|number| self.loader.batch(number)).collect::<Result<Vec<_>, _>>()?;
            self.replica.set_loss_factor(loss_factor);
            let outcome = self.replica.step(step, self.first, &batches, &ceiling);
            outcome.map_err(failure)?;
            batches.into_iter().for_each(|batch| self.loader.give_back(batch));
        }
        Ok(())
    }
}
