//! The threads of a run's other ranks.

use std::{
    thread::{JoinHandle, sleep, spawn},
    time::{Duration, Instant},
};

use super::follow::Follower;
use crate::TrainError;

/// Longest wait for threads that have been left: each ends as soon as it asks for another rank.
const PATIENCE: Duration = Duration::from_secs(20);

/// Threads that follow the first rank. When they are dropped, its links have to be gone already: that is what ends them.
#[derive(Default)]
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    rank: usize,
    thread: JoinHandle<Result<(), TrainError>>,
}

impl Workers {
    /// Starts a rank.
    pub fn spawn(&mut self, rank: usize, follower: Follower) {
        self.0.push(Worker { rank, thread: spawn(move || follower.follow()) });
    }

    /// Waits until all have ended, but not for long; the errors that they ended with, each with its rank. One that does not
    /// end, as where its device hangs, is left to itself.
    pub fn join(&mut self) -> Vec<(usize, TrainError)> {
        let start = Instant::now();
        let mut errors = Vec::new();
        for Worker { rank, thread } in self.0.drain(..) {
            while !thread.is_finished() && start.elapsed() < PATIENCE {
                sleep(Duration::from_millis(2));
            }
            if !thread.is_finished() {
                log::warn!("rank {rank} has not ended within {} s", PATIENCE.as_secs());
                continue;
            }
            let ended = thread.join().unwrap_or_else(|_| Err(TrainError::Internal("its thread panicked".into())));
            errors.extend(ended.err().map(|error| (rank, error)));
        }
        errors
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.join();
    }
}
