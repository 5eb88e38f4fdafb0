//! Checkpoints are written on a thread of their own, while the run goes on.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel},
    },
    thread::JoinHandle,
};

use super::{resume::Identity, state::RunState};
use crate::{
    TrainError,
    checkpoint::{Description, Folder, NewCheckpoint, Retention, Snapshot, Store, retain, spawn_writer},
    config::CheckpointConfig,
    devices::{KernelChoices, OpenDevice, PinnedKernels},
};

/// The store of kernel choices in a run's folder, while the run lasts.
const KERNELS: &str = "kernels.db";

/// A checkpoint that is to be written.
pub(super) struct Job {
    pub state: RunState,
    pub snapshot: Snapshot,
    /// What the devices of other processes chose.
    pub kernels: KernelChoices,
}

/// What all checkpoints of a run have in common.
pub(super) struct Common {
    /// The run's folder.
    pub folder: PathBuf,
    pub config: Vec<u8>,
    pub tokenizer: Vec<u8>,
    pub identity: Identity,
    pub settings: CheckpointConfig,
}

/// The writing thread, and what it has to know of the device.
pub(super) struct Saver {
    jobs: Option<SyncSender<Job>>,
    written: Receiver<Result<PathBuf, TrainError>>,
    waiting: usize,
    thread: Option<JoinHandle<()>>,
    kernels: Option<Arc<PinnedKernels>>,
}

impl Saver {
    /// Starts the thread. From here on the first device and the `others` run the kernels of `choices`, or those that the
    /// machine has chosen before: see [`PinnedKernels::new`].
    pub fn new(common: Arc<Common>, first: &OpenDevice, others: &[OpenDevice], choices: &KernelChoices) -> Self {
        let devices = [first].into_iter().chain(others);
        let kernels = Arc::new(PinnedKernels::new(devices, common.folder.join(KERNELS), choices));
        let (jobs, to_do) = sync_channel::<Job>(1);
        let (tell, written) = channel();
        let writer = Writer { common, adapter: first.adapter.clone(), kernels: kernels.clone() };
        let thread = spawn_writer(move || {
            for job in to_do {
                if tell.send(writer.write(job)).is_err() {
                    break;
                }
            }
        });
        Self { jobs: Some(jobs), written, waiting: 0, thread: Some(thread), kernels: Some(kernels) }
    }

    /// The kernels that were chosen until now, on devices that choose.
    pub fn kernel_choices(&self) -> KernelChoices {
        self.kernels.as_ref().map(|kernels| kernels.choices()).unwrap_or_default()
    }

    /// Ends the thread when it has written what it was given, and lets go of the device's choices.
    pub fn close(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.kernels = None;
    }

    /// Hands a checkpoint over. At most one may be on its way: see [`Saver::wait`].
    pub fn save(&mut self, job: Job) {
        // A thread that has ended is told of by `wait`.
        if self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok()) {
            self.waiting += 1;
        }
    }

    /// A checkpoint that has been written since the last call, or why one was not.
    pub fn news(&mut self) -> Option<Result<PathBuf, TrainError>> {
        let news = match self.written.try_recv() {
            Ok(news) => news,
            Err(TryRecvError::Disconnected) if self.waiting > 0 => Err(ended()),
            Err(_) => return None,
        };
        self.waiting -= 1;
        Some(news)
    }

    /// Waits until nothing is being written, as [`Saver::news`].
    pub fn wait(&mut self) -> Option<Result<PathBuf, TrainError>> {
        if self.waiting == 0 {
            return None;
        }
        self.waiting -= 1;
        Some(self.written.recv().unwrap_or_else(|_| Err(ended())))
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        self.close();
    }
}

fn ended() -> TrainError {
    TrainError::Device("the thread that writes checkpoints has ended with the device".into())
}

struct Writer {
    common: Arc<Common>,
    adapter: String,
    kernels: Arc<PinnedKernels>,
}

impl Writer {
    fn write(&self, job: Job) -> Result<PathBuf, TrainError> {
        let Job { state, snapshot, kernels: others } = job;
        let Common { folder, config, tokenizer, identity, settings } = &*self.common;
        let store: Arc<dyn Store> = Arc::new(Folder::new(folder));
        let mut new = NewCheckpoint::create(&store, state.step)?;
        new.write("config.toml", config)?;
        new.write("tokenizer.json", tokenizer)?;
        snapshot.write(&mut new)?;
        let mut kernels = self.kernels.choices();
        self.kernels.share(&kernels);
        kernels.extend(others);
        if !kernels.is_empty() {
            new.write("kernels.json", &kernels.to_json())?;
        }
        new.write("state.json", &serde_json::to_vec_pretty(&state).expect("numbers under fixed names"))?;
        let name = new.finish(Description {
            adapter: self.adapter.clone(),
            tokenizer: identity.tokenizer.clone(),
            data: identity.data.clone(),
        })?;
        let best = state.best.filter(|_| settings.keep_best).map(|best| best.step);
        retain(&store, state.step, &Retention { last: settings.keep_last, every: settings.keep_every, best })?;
        Ok(folder.join(name))
    }
}
