//! Batches that are ready when the training step asks for them.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use crate::{Batch, Batches, DataError, Share};

/// Gives a replica's micro-batches by number. A thread prepares those that follow while the device computes; the
/// batches are the ones that [`Batches::batch`] gives.
#[derive(Debug)]
pub struct Loader {
    source: Source,
    depth: usize,
    ahead: Option<Ahead>,
    /// Memory of batches that were given back while no thread could use it.
    spare: Vec<Batch>,
}

/// What is prepared.
#[derive(Debug, Clone)]
struct Source {
    batches: Batches,
    share: Share,
}

impl Source {
    fn prepare(&self, micro_batch: u64, mut memory: Batch) -> Result<Batch, DataError> {
        self.batches.fill(self.share.samples(micro_batch), &mut memory)?;
        Ok(memory)
    }
}

impl Loader {
    /// How many batches a loader keeps ready where nothing else is asked for.
    pub const DEPTH: usize = 4;

    /// A loader that keeps `depth` batches ready and one more in the making; at 0, and always on the web, it prepares a
    /// batch when it is asked for one, without a thread.
    pub fn new(batches: Batches, share: Share, depth: usize) -> Self {
        let depth = if cfg!(target_family = "wasm") { 0 } else { depth };
        Self { source: Source { batches, share }, depth, ahead: None, spare: Vec::new() }
    }

    /// Micro-batch number `micro_batch` of the run. Any number may follow any other, but only the next one is ready.
    ///
    /// # Errors
    /// When the stream cannot be read. Asking again tries again.
    pub fn batch(&mut self, micro_batch: u64) -> Result<Batch, DataError> {
        if self.depth == 0 {
            return self.source.prepare(micro_batch, self.spare.pop().unwrap_or_default());
        }
        let in_order = self.ahead.take_if(|ahead| ahead.next == micro_batch);
        self.ahead = None; // ends a thread that is elsewhere before another starts
        let mut ahead =
            in_order.unwrap_or_else(|| Ahead::start(self.source.clone(), self.depth, micro_batch, &mut self.spare));
        let batch = ahead.take()?;
        self.ahead = Some(ahead);
        Ok(batch)
    }

    /// Gives a batch's memory back for one to come.
    pub fn give_back(&mut self, batch: Batch) {
        match &self.ahead {
            Some(ahead) => ahead.give_back(batch),
            None => self.spare.push(batch),
        }
    }
}

/// A thread and the batches that it has prepared.
#[derive(Debug)]
struct Ahead {
    next: u64,
    /// None once the thread is to end.
    ready: Option<Receiver<Result<Batch, DataError>>>,
    spare: Sender<Batch>,
    thread: Option<JoinHandle<()>>,
}

impl Ahead {
    fn start(source: Source, depth: usize, first: u64, memory: &mut Vec<Batch>) -> Self {
        let (ready, prepared) = sync_channel(depth);
        let (spare, used) = channel::<Batch>();
        let mut memory = std::mem::take(memory);
        let prepare = move || {
            for micro_batch in first.. {
                let batch =
                    source.prepare(micro_batch, used.try_recv().ok().or_else(|| memory.pop()).unwrap_or_default());
                let failed = batch.is_err();
                // Nobody receives once the loader is elsewhere.
                if ready.send(batch).is_err() || failed {
                    return;
                }
            }
        };
        Self { next: first, ready: Some(prepared), spare, thread: Some(thread::spawn(prepare)) }
    }

    /// The next batch.
    fn take(&mut self) -> Result<Batch, DataError> {
        self.next += 1;
        let ready = self.ready.as_ref().expect("the thread is to end only when this is dropped");
        ready.recv().unwrap_or_else(|_| {
            // It ends without an error only by a panic, which belongs to whoever asked for the batch.
            let thread = self.thread.take().expect("it is taken once");
            resume_unwind(thread.join().expect_err("a thread that was not told to end has panicked"))
        })
    }

    fn give_back(&self, batch: Batch) {
        // Memory that the thread no longer wants is freed.
        let _ = self.spare.send(batch);
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        // The thread's next send fails, so this waits for one batch at most.
        self.ready = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
