//! Ranks that are threads of one process.

use std::{
    ops::Range,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Collective, CollectiveError};
use crate::optim::OptimizerShard;

/// Longest wait for a rank that is at work: the default of `torch.distributed` for hosts. The first step of a slow device,
/// which compiles every kernel, has to end before.
const DEADLINE: Duration = Duration::from_secs(30 * 60);

/// A rank among threads. One that is dropped is gone, and the others, where they wait for it, hear so.
#[derive(Debug)]
pub struct Local {
    rank: usize,
    meeting: Arc<Meeting>,
}

#[derive(Debug)]
struct Meeting {
    world: usize,
    deadline: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

/// What a rank brings to a meeting.
#[derive(Debug)]
enum Goods {
    Values(Vec<f32>),
    Bytes(Vec<u8>),
}

impl Goods {
    /// Nothing, where the others brought something else.
    fn values(&self) -> &[f32] {
        match self {
            Self::Values(values) => values,
            Self::Bytes(_) => &[],
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Values(_) => &[],
        }
    }
}

/// What each rank brought, shared by all.
type Brought = Arc<Vec<Goods>>;

#[derive(Debug)]
struct State {
    /// Meetings that are over.
    round: u64,
    arrived: usize,
    arriving: Vec<Option<Goods>>,
    /// Of the last meeting. The next cannot end before all have taken theirs, for each has to arrive there.
    brought: Brought,
    gone: Option<usize>,
}

impl Local {
    /// `world` ranks, one for each thread.
    pub fn group(world: usize) -> Vec<Self> {
        Self::group_within(world, DEADLINE)
    }

    /// As [`Local::group`], where a rank that does not do its part within `deadline` is given up.
    pub fn group_within(world: usize, deadline: Duration) -> Vec<Self> {
        let state = State { round: 0, arrived: 0, arriving: nobody(world), brought: Arc::default(), gone: None };
        let meeting = Arc::new(Meeting { world, deadline, state: Mutex::new(state), changed: Condvar::new() });
        (0..world).map(|rank| Self { rank, meeting: meeting.clone() }).collect()
    }

    /// Brings `goods`, waits for all until the deadline, if there is one, and returns what each brought.
    fn meet(&self, goods: Goods, deadline: Option<Duration>) -> Result<Brought, CollectiveError> {
        let Meeting { world, changed, .. } = &*self.meeting;
        let start = Instant::now();
        let mut state = self.state();
        let round = state.round;
        state.arriving[self.rank] = Some(goods);
        state.arrived += 1;
        if state.arrived == *world {
            let arrived = std::mem::replace(&mut state.arriving, nobody(*world));
            state.brought = Arc::new(arrived.into_iter().map(|goods| goods.expect("all have arrived")).collect());
            state.arrived = 0;
            state.round += 1;
            changed.notify_all();
        }
        while state.round == round {
            if let Some(rank) = state.gone {
                return Err(CollectiveError::Lost { rank, world: *world });
            }
            let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_sub(start.elapsed()));
            if left.is_zero() {
                let rank = state.arriving.iter().position(Option::is_none).expect("not all have arrived");
                return Err(CollectiveError::Late { rank, seconds: start.elapsed().as_secs() });
            }
            state = changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(state.brought.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.meeting.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deadline(&self) -> Option<Duration> {
        Some(self.meeting.deadline)
    }

    fn part(&self, rank: usize, values: &[f32]) -> Range<usize> {
        OptimizerShard { rank, world: self.meeting.world }.part(values.len())
    }

    fn same_length(&self, expected: usize, rank: usize, found: usize) -> Result<(), CollectiveError> {
        let mismatch = CollectiveError::Mismatch { rank, expected, other: self.rank, found };
        if found == expected { Ok(()) } else { Err(mismatch) }
    }
}

fn nobody(world: usize) -> Vec<Option<Goods>> {
    (0..world).map(|_| None).collect()
}

impl Collective for Local {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.meeting.world
    }

    fn reduce_scatter(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        let brought = self.meet(Goods::Values(values.to_vec()), self.deadline())?;
        for (rank, others) in brought.iter().enumerate() {
            self.same_length(values.len(), rank, others.values().len())?;
        }
        let own = self.part(self.rank, values);
        let sums = &mut values[own.clone()];
        sums.copy_from_slice(&brought[0].values()[own.clone()]);
        for others in &brought[1..] {
            for (sum, value) in sums.iter_mut().zip(&others.values()[own.clone()]) {
                *sum += value;
            }
        }
        Ok(())
    }

    fn all_gather(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        let own = self.part(self.rank, values);
        let brought = self.meet(Goods::Values(values[own].to_vec()), self.deadline())?;
        for (rank, others) in brought.iter().enumerate() {
            let theirs = self.part(rank, values);
            self.same_length(theirs.len(), rank, others.values().len())?;
            values[theirs].copy_from_slice(others.values());
        }
        Ok(())
    }

    fn broadcast(&self, bytes: &mut Vec<u8>, root: usize) -> Result<(), CollectiveError> {
        let mine = if self.rank == root { std::mem::take(bytes) } else { Vec::new() };
        // The root has other work between two broadcasts, and the others wait for it however long that takes.
        let brought = self.meet(Goods::Bytes(mine), self.deadline().filter(|_| self.rank == root))?;
        *bytes = brought[root].bytes().to_vec();
        Ok(())
    }

    fn all_gather_bytes(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        let brought = self.meet(Goods::Bytes(bytes), self.deadline())?;
        Ok(brought.iter().map(|goods| goods.bytes().to_vec()).collect())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.state().gone.get_or_insert(self.rank);
        self.meeting.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// What each rank of `world` comes to.
    fn each<R: Send>(world: usize, work: impl Fn(Local) -> R + Sync) -> Vec<R> {
        thread::scope(|scope| {
            let ranks: Vec<_> = Local::group(world).into_iter().map(|rank| scope.spawn(|| work(rank))).collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    /// Values whose sum depends on the order.
    fn values(rank: usize, length: usize) -> Vec<f32> {
        (0..length)
            .map(|at| ((at * 7919 + rank * 104_729) % 1009) as f32 * 10f32.powi(rank as i32 % 4 * 2 - 3))
            .collect()
    }

    #[test]
    fn sums_are_taken_in_the_order_of_the_ranks() {
        for world in [1, 2, 3, 4] {
            for length in [0, 1, 3, 1000] {
                let mut expected = values(0, length);
                for rank in 1..world {
                    expected.iter_mut().zip(values(rank, length)).for_each(|(sum, value)| *sum += value);
                }
                let found = each(world, |rank| {
                    let mut own = values(rank.rank(), length);
                    for _ in 0..3 {
                        own = values(rank.rank(), length);
                        rank.all_reduce(&mut own).unwrap();
                    }
                    own
                });
                assert_eq!(found, vec![expected; world], "world {world}, {length} values");
            }
        }
    }

    #[test]
    fn bytes_of_any_number_reach_all() {
        let found = each(3, |rank| {
            let own = vec![rank.rank() as u8; rank.rank() * 5];
            let all = rank.all_gather_bytes(own.clone()).unwrap();
            let mut bytes = own;
            rank.broadcast(&mut bytes, 1).unwrap();
            rank.barrier().unwrap();
            (all, bytes)
        });
        assert_eq!(found, vec![(vec![vec![], vec![1; 5], vec![2; 10]], vec![1; 5]); 3]);
    }

    #[test]
    fn who_waits_for_a_rank_that_is_gone_hears_so() {
        let found = each(3, |rank| if rank.rank() == 1 { Ok(()) } else { rank.barrier() });
        let lost = Err(CollectiveError::Lost { rank: 1, world: 3 });
        assert_eq!(found, [lost.clone(), Ok(()), lost]);
    }

    /// But for one whose root has other work: an order may come late.
    #[test]
    fn who_does_not_do_its_part_in_time_is_told() {
        let (tell, hear) = std::sync::mpsc::channel::<()>();
        let mut ranks = Local::group_within(2, Duration::from_millis(50)).into_iter();
        let [first, second] = [(); 2].map(|()| ranks.next().unwrap());
        let late = thread::spawn(move || {
            let waited = second.broadcast(&mut Vec::new(), 0);
            let _ = hear.recv();
            waited
        });
        thread::sleep(Duration::from_millis(120));
        first.broadcast(&mut vec![1], 0).unwrap();
        assert!(matches!(first.barrier(), Err(CollectiveError::Late { rank: 1, .. })));
        drop(tell);
        late.join().unwrap().unwrap();
    }

    #[test]
    fn ranks_that_bring_different_lengths_are_told() {
        let found = each(2, |rank| rank.reduce_scatter(&mut vec![0.0; 3 + rank.rank()]));
        assert!(found.iter().all(|result| matches!(result, Err(CollectiveError::Mismatch { .. }))), "{found:?}");
    }
}
