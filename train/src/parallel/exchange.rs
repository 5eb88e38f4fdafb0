//! The threads that talk to the other ranks while this one's walk goes on: one waits for copies from the device, one has
//! the collective.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use burn::tensor::Tensor;

use super::{Collective, CollectiveError, host};
use crate::{
    optim::{OptimizerShard, Part},
    readback::Readback,
    step::RankFigures,
    walk::Outlet,
};

/// A rank's line to the others. What is asked for is done in turn by a thread that has the collective, and comes back in
/// that order.
#[derive(Debug)]
pub struct Exchange {
    rank: usize,
    world: usize,
    jobs: Option<Jobs>,
    replies: Receiver<Result<Reply, CollectiveError>>,
    thread: Option<JoinHandle<()>>,
    meter: Meter,
    /// Time blocked since the last step began.
    waited: Duration,
}

/// The way out for values. It does not wait for other ranks, but until the copy before has left the device.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    rank: usize,
    queue: SyncSender<Job<Values>>,
}

/// A step's start, by which it is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    at: Instant,
    /// Time blocked in the step before.
    waited: Duration,
}

/// What is asked for, with values that are [`Values`] or [`Arrived`].
#[derive(Debug)]
enum Job<V> {
    /// Add up over all ranks.
    Reduce(V),
    /// Add up the loss, with this rank's figures since the start of its step.
    Finish {
        loss: V,
        started: Started,
        /// Time in which the walk waited for other stages.
        idle: Duration,
        /// Known when the loss has arrived.
        walk: Duration,
    },
    /// Put the parts of so many values together.
    AllGather {
        own: V,
        length: usize,
    },
    /// Give the values of one rank to all.
    BroadcastValues {
        own: V,
        root: usize,
    },
    Broadcast(Vec<u8>, usize),
    AllGatherBytes(Vec<u8>),
}

#[derive(Debug)]
enum Values {
    OnDevice(Readback),
    OnHost(Vec<f32>),
}

/// Values in host memory, or why they did not get there.
type Arrived = Result<Vec<f32>, CollectiveError>;

#[derive(Debug)]
enum Reply {
    Values(Vec<f32>),
    Bytes(Vec<u8>),
    All(Vec<Vec<u8>>),
}

/// Time that went into transfers since the last look.
type Meter = Arc<Mutex<Duration>>;

/// The numbers of [`RankFigures`], on their way with the loss.
const FIGURES: usize = 3;

impl Job<Values> {
    /// Waits for its values, which are those of rank `rank`.
    fn arrived(self, rank: usize) -> Job<Arrived> {
        match self {
            Self::Reduce(values) => Job::Reduce(values.wait(rank)),
            Self::Finish { loss, started, idle, .. } => {
                let loss = loss.wait(rank);
                // What came before it on the device is done now, so this rank's own work is.
                Job::Finish { loss, started, idle, walk: started.at.elapsed().saturating_sub(idle) }
            }
            Self::AllGather { own, length } => Job::AllGather { own: own.wait(rank), length },
            Self::BroadcastValues { own, root } => Job::BroadcastValues { own: own.wait(rank), root },
            Self::Broadcast(bytes, root) => Job::Broadcast(bytes, root),
            Self::AllGatherBytes(bytes) => Job::AllGatherBytes(bytes),
        }
    }
}

impl Values {
    fn wait(self, rank: usize) -> Arrived {
        match self {
            Self::OnHost(values) => Ok(values),
            Self::OnDevice(copy) => host::values(copy, rank),
        }
    }
}

/// What the thread has.
struct Talk<C: ?Sized> {
    meter: Meter,
    collective: Box<C>,
}

impl Talk<dyn Collective> {
    fn timed<R>(&self, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        *self.meter.lock().unwrap_or_else(PoisonError::into_inner) += start.elapsed();
        result
    }

    fn reply(&self, job: Job<Arrived>) -> Result<Reply, CollectiveError> {
        let (rank, world) = (self.collective.rank(), self.collective.world());
        match job {
            Job::Reduce(values) => {
                let mut values = values?;
                self.timed(|| self.collective.all_reduce(&mut values))?;
                Ok(Reply::Values(values))
            }
            Job::Finish { loss, started, walk, .. } => {
                let mut values = loss?;
                let transfer = std::mem::take(&mut *self.meter.lock().unwrap_or_else(PoisonError::into_inner));
                let own = [walk, transfer, started.waited].map(|time| time.as_secs_f32());
                for of in 0..world {
                    values.extend(if of == rank { own } else { [0.0; FIGURES] });
                }
                self.collective.all_reduce(&mut values)?;
                Ok(Reply::Values(values))
            }
            Job::AllGather { own, length } => {
                let part = OptimizerShard { rank, world }.part(length);
                let mut values = vec![0.0; length];
                values[part].copy_from_slice(&own?);
                self.timed(|| self.collective.all_gather(&mut values))?;
                Ok(Reply::Values(values))
            }
            Job::BroadcastValues { own, root } => {
                let mut bytes = bytemuck::cast_slice(&own?).to_vec();
                self.timed(|| self.collective.broadcast(&mut bytes, root))?;
                Ok(Reply::Values(bytemuck::pod_collect_to_vec(&bytes)))
            }
            Job::Broadcast(mut bytes, root) => {
                self.collective.broadcast(&mut bytes, root)?;
                Ok(Reply::Bytes(bytes))
            }
            Job::AllGatherBytes(bytes) => Ok(Reply::All(self.timed(|| self.collective.all_gather_bytes(bytes))?)),
        }
    }
}

impl Exchange {
    /// The line of a rank that has `collective`.
    pub fn new(collective: impl Collective + Send + 'static) -> Self {
        Self::start(move || Ok(Box::new(collective))).expect("it is there already")
    }

    /// The line of a rank whose collective is made by the thread that will use it, and dropped there.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn start(
        make: impl FnOnce() -> Result<Box<dyn Collective>, CollectiveError> + Send + 'static,
    ) -> Result<Self, CollectiveError> {
        let (arrived, ready) = channel();
        let (done, replies) = channel();
        let (tell, who) = channel();
        let meter = Meter::default();
        let of_thread = meter.clone();
        let thread = std::thread::spawn(move || {
            let collective = match make() {
                Ok(collective) => collective,
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _ = tell.send(Ok((collective.rank(), collective.world())));
            let talk = Talk { meter: of_thread, collective };
            for job in ready {
                let reply = talk.reply(job);
                let failed = reply.is_err();
                if done.send(reply).is_err() || failed {
                    return;
                }
            }
        });
        let ended = || CollectiveError::Start("the thread that talks to the other ranks ended at its start".into());
        let (rank, world) = who.recv().map_err(|_| ended())??;
        // Whoever sends waits until the copy before has left: two buffers for transfers are filled at most.
        let (jobs, to_do) = sync_channel::<Job<Values>>(0);
        // Copies leave the device as they come, however long the other ranks take.
        std::thread::spawn(move || {
            to_do.into_iter().map(|job| job.arrived(rank)).try_for_each(|job| arrived.send(job))
        });
        let (thread, jobs) = (Some(thread), Some(Jobs { rank, queue: jobs }));
        Ok(Self { rank, world, jobs, replies, thread, meter, waited: Duration::ZERO })
    }

    /// This rank's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of ranks.
    pub fn world(&self) -> usize {
        self.world
    }

    /// Leaves the others, all of which do the same, and waits until this rank is out.
    pub fn finish(mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    pub(crate) fn jobs(&self) -> Jobs {
        self.jobs.clone().expect("there until the end")
    }

    /// The values of what was asked for and has not come back yet, the oldest first. Waits for all ranks.
    pub(crate) fn receive(&mut self) -> Result<Vec<f32>, CollectiveError> {
        match self.reply()? {
            Reply::Values(values) => Ok(values),
            _ => unreachable!("replies come in the order of the jobs"),
        }
    }

    fn reply(&mut self) -> Result<Reply, CollectiveError> {
        let start = Instant::now();
        let gone = CollectiveError::Start("the line to the other ranks has ended".into());
        let reply = self.replies.recv().unwrap_or(Err(gone));
        self.waited += start.elapsed();
        reply
    }

    /// The bytes of `root`.
    pub(crate) fn broadcast(&mut self, bytes: Vec<u8>, root: usize) -> Result<Vec<u8>, CollectiveError> {
        self.jobs().queue(Job::Broadcast(bytes, root));
        match self.reply()? {
            Reply::Bytes(bytes) => Ok(bytes),
            _ => unreachable!("replies come in the order of the jobs"),
        }
    }

    /// Each rank's bytes, by rank.
    pub(crate) fn all_gather(&mut self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.jobs().queue(Job::AllGatherBytes(bytes));
        match self.reply()? {
            Reply::All(all) => Ok(all),
            _ => unreachable!("replies come in the order of the jobs"),
        }
    }

    /// The sum of a number over all ranks.
    pub(crate) fn sum(&mut self, number: usize) -> Result<usize, CollectiveError> {
        let all = self.all_gather((number as u64).to_le_bytes().to_vec())?;
        let numbers = all.iter().map(|bytes| bytes.as_slice().try_into().map_or(0, u64::from_le_bytes) as usize);
        Ok(numbers.sum())
    }

    /// A step begins: nothing has been waited for, or transferred.
    pub(super) fn begin(&mut self) -> Started {
        *self.meter.lock().unwrap_or_else(PoisonError::into_inner) = Duration::ZERO;
        Started { at: Instant::now(), waited: std::mem::take(&mut self.waited) }
    }

    /// Sends this rank's loss, `[1]`, with its figures; it was idle for so long since the step began.
    pub(super) fn send_loss(&self, loss: Tensor<1>, started: Started, idle: Duration) {
        let loss = Values::OnDevice(Readback::new(loss));
        self.jobs().queue(Job::Finish { loss, started, idle, walk: Duration::ZERO });
    }

    /// The sum of the losses, and every rank's figures.
    pub(super) fn receive_loss(&mut self) -> Result<(f32, Vec<RankFigures>), CollectiveError> {
        let values = self.receive()?;
        let figures = values[1..].chunks_exact(FIGURES).map(|of| RankFigures {
            walk: f64::from(of[0]),
            transfer: f64::from(of[1]),
            wait: f64::from(of[2]),
        });
        Ok((values[0], figures.collect()))
    }
}

impl Jobs {
    /// Queues the copy of `values` to host memory, and their sum over all ranks.
    pub fn reduce(&self, values: Tensor<1>) {
        self.queue(Job::Reduce(Values::OnDevice(Readback::new(values))));
    }

    /// As [`Jobs::reduce`] of values in host memory.
    pub fn reduce_host(&self, values: Vec<f32>) {
        self.queue(Job::Reduce(Values::OnHost(values)));
    }

    /// Queues `own`, this rank's `part` of `length` values, and what the others have of them.
    pub fn all_gather(&self, own: Tensor<1>, length: usize, part: &Part) {
        let own = match own.shape().num_elements() {
            0 => Values::OnHost(Vec::new()),
            _ => Values::OnDevice(Readback::new(own)),
        };
        self.queue(match part {
            Part::Elements(_) => Job::AllGather { own, length },
            Part::Whole => Job::BroadcastValues { own, root: self.rank },
            Part::Elsewhere(owner) => Job::BroadcastValues { own, root: *owner },
        });
    }

    fn queue(&self, job: Job<Values>) {
        // A thread that has ended has said why, or will when its reply is asked for.
        let _ = self.queue.send(job);
    }
}

/// Gradients leave for the other ranks while the walk goes on.
impl Outlet for Jobs {
    fn send(&mut self, gradients: Tensor<1>) {
        self.reduce(gradients);
    }
}
