//! Checkpoints are written on a thread of their own, while the run goes on.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel},
    },
    thread::JoinHandle,
};

use crate::{
    TrainError,
    checkpoint::{KernelChoices, Store, spawn_writer},
    devices::PinnedKernels,
    session::{Common, Saver, Unwritten, Written},
};

/// A saver with a thread.
pub(super) struct ThreadSaver {
    jobs: Option<SyncSender<Unwritten>>,
    written: Receiver<Result<Written, TrainError>>,
    waiting: usize,
    thread: Option<JoinHandle<()>>,
}

impl ThreadSaver {
    /// Starts the thread.
    pub fn new(store: Arc<dyn Store>, common: Common, kernels: Arc<PinnedKernels>) -> Self {
        let (jobs, to_do) = sync_channel::<Unwritten>(1);
        let (tell, written) = channel();
        let thread = spawn_writer(move || {
            for job in to_do {
                let job = Unwritten { kernels: all_kernels(&kernels, job.kernels), ..job };
                if tell.send(common.write(&store, job)).is_err() {
                    break;
                }
            }
        });
        Self { jobs: Some(jobs), written, waiting: 0, thread: Some(thread) }
    }
}

/// The choices of this process, which later runs on this machine may start with, and those of the others.
fn all_kernels(own: &PinnedKernels, others: KernelChoices) -> KernelChoices {
    let mut kernels = own.choices();
    own.share(&kernels);
    kernels.extend(others);
    kernels
}

fn ended() -> TrainError {
    TrainError::Internal("the thread that writes checkpoints has ended".into())
}

impl Saver for ThreadSaver {
    fn save(&mut self, checkpoint: Unwritten) {
        // A thread that has ended is told of by `wait`.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(checkpoint);
            self.waiting += 1;
        }
    }

    fn news(&mut self) -> Option<Result<Written, TrainError>> {
        let news = match self.written.try_recv() {
            Ok(news) => news,
            Err(TryRecvError::Disconnected) if self.waiting > 0 => Err(ended()),
            Err(_) => return None,
        };
        self.waiting -= 1;
        Some(news)
    }

    fn wait(&mut self) -> Option<Result<Written, TrainError>> {
        if self.waiting == 0 {
            return None;
        }
        self.waiting -= 1;
        Some(self.written.recv().unwrap_or_else(|_| Err(ended())))
    }
}

/// Ends the thread when it has written what it was given.
impl Drop for ThreadSaver {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
