//! A link that is slower than the machine's memory, to see what training over one would take.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::{Collective, CollectiveError};

/// What one rank can send.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Bytes a second, each way.
    pub bytes_per_second: f64,
    /// Until the first byte of a message arrives.
    pub latency: Duration,
}

impl Link {
    /// A link of so many gigabits a second.
    pub fn gigabits(gigabits: f64, latency: Duration) -> Self {
        Self { bytes_per_second: gigabits * 1e9 / 8.0, latency }
    }

    /// What a ring of `world` ranks takes to pass `bytes` on in `rounds` rounds of `world - 1` messages: two for an
    /// all-reduce, one for either half of it (Patarasuk and Yuan 2009, <https://doi.org/10.1016/j.jpdc.2008.09.002>).
    pub fn ring(&self, bytes: usize, world: usize, rounds: usize) -> Duration {
        let messages = (rounds * (world - 1)) as f64;
        let seconds = messages * bytes as f64 / world as f64 / self.bytes_per_second;
        Duration::from_secs_f64(seconds) + self.latency.mul_f64(messages)
    }
}

/// A collective that takes at least as long as its ranks would over a [`Link`] each.
#[derive(Debug)]
pub struct Slow<C> {
    inner: C,
    link: Link,
}

impl<C: Collective> Slow<C> {
    /// `inner`, as if over `link`.
    pub fn new(inner: C, link: Link) -> Self {
        Self { inner, link }
    }

    /// Does `work` in the time of `rounds` rounds with `bytes`.
    fn paced<R>(&self, bytes: usize, rounds: usize, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        sleep(self.link.ring(bytes, self.world(), rounds).saturating_sub(start.elapsed()));
        result
    }
}

impl<C: Collective> Collective for Slow<C> {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn world(&self) -> usize {
        self.inner.world()
    }

    fn reduce_scatter(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        // The time that others take to arrive is not the link's.
        self.inner.barrier()?;
        self.paced(size_of_val(values), 1, || self.inner.reduce_scatter(values))
    }

    fn all_gather(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.inner.barrier()?;
        self.paced(size_of_val(values), 1, || self.inner.all_gather(values))
    }

    fn broadcast(&self, bytes: &mut Vec<u8>, root: usize) -> Result<(), CollectiveError> {
        self.inner.broadcast(bytes, root)?;
        // In a pipelined chain every rank passes all bytes on once.
        let seconds = bytes.len() as f64 / self.link.bytes_per_second;
        sleep(Duration::from_secs_f64(seconds) + self.link.latency);
        Ok(())
    }

    fn all_gather_bytes(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let all = self.inner.all_gather_bytes(bytes)?;
        sleep(self.link.ring(all.iter().map(Vec::len).sum(), self.world(), 1));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::parallel::Local;

    #[test]
    fn a_ring_passes_each_byte_on_twice_but_for_one_rank() {
        let link = Link::gigabits(1.0, Duration::from_millis(1));
        // 2 (n - 1) / n of 125 MB at 125 MB/s, and 2 (n - 1) messages.
        assert_eq!(link.ring(125_000_000, 4, 2), Duration::from_millis(1506));
    }

    #[test]
    fn takes_the_links_time_and_changes_no_sum() {
        let link = Link { bytes_per_second: 1e6, latency: Duration::ZERO };
        let start = Instant::now();
        let sums = thread::scope(|scope| {
            let ranks = Local::group(2).into_iter().map(|rank| {
                scope.spawn(move || {
                    let mut values = vec![1.0 + rank.rank() as f32; 25_000];
                    Slow::new(rank, link).all_reduce(&mut values).unwrap();
                    values
                })
            });
            let ranks: Vec<_> = ranks.collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect::<Vec<_>>()
        });
        // 100,000 bytes at a megabyte a second.
        assert!(start.elapsed() >= Duration::from_millis(100));
        assert_eq!(sums, vec![vec![3.0; 25_000]; 2]);
    }
}
