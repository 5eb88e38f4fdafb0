//! How the samples of a run are dealt out to replicas and micro-batches.

use std::{iter, ops::Range, sync::Arc};

use super::BatchSizes;
use crate::DataError;

/// One replica's share of every global batch, cut into micro-batches.
///
/// Global batch `k` is the samples that follow those of the batches before it, as many as its [`BatchSizes`] say. A replica takes
/// consecutive rows of it, so with another number of replicas, or other micro-batches, the same global batches follow one another in
/// the same order.
#[derive(Debug, Clone)]
pub struct Share {
    sizes: BatchSizes,
    /// This replica's rows among those of a batch that has grown.
    rows: Range<u64>,
    /// Its number among replicas, and how many they are.
    place: (u64, u64),
    micro_rows: u64,
    /// Micro-batches of this replica before each batch that has not grown, and before the first that has.
    starts: Arc<[u64]>,
}

impl Share {
    /// The share of replica `rank` of `world` in batches of `global_rows` rows, in micro-batches of `micro_rows` rows; what is left
    /// over makes a smaller one. The shares of two replicas differ by at most a row.
    ///
    /// # Errors
    /// When `rank` is not below `world`, a replica would get no row, or `micro_rows` is 0.
    pub fn new(global_rows: usize, micro_rows: usize, rank: usize, world: usize) -> Result<Self, DataError> {
        if rank >= world {
            return Err(DataError::Rank { rank, world });
        }
        if global_rows < world {
            return Err(DataError::TooFewRows { global_rows, world });
        }
        if micro_rows == 0 {
            return Err(DataError::ZeroMicroBatch);
        }
        let boundary = |rank: usize| rank * global_rows / world;
        let sizes = BatchSizes::constant(global_rows as u64);
        Ok(Self::of_rows(sizes, boundary(rank)..boundary(rank + 1), (rank, world), micro_rows))
    }

    /// The share of replica `rank` of `world` (`place`) that has the rows `rows` of each global batch that has grown, in micro-batches
    /// of `micro_rows`. Of a smaller batch each replica has a row, and of the rest as much as of all rows.
    ///
    /// # Panics
    /// If `micro_rows` is 0, or the first batch has fewer rows than there are replicas.
    pub fn of_rows(sizes: BatchSizes, rows: Range<usize>, (rank, world): (usize, usize), micro_rows: usize) -> Self {
        assert!(micro_rows > 0, "a micro-batch has rows");
        assert!(sizes.rows(0) >= world as u64, "{world} replicas have a row each of {sizes:?}");
        let mut share = Self {
            sizes,
            rows: rows.start as u64..rows.end as u64,
            place: (rank as u64, world as u64),
            micro_rows: micro_rows as u64,
            starts: Arc::new([0]),
        };
        let mut start = 0;
        let after = (0..sizes.warmup()).map(|batch| {
            start += share.micro_batches(batch);
            start
        });
        let starts: Vec<u64> = iter::once(0).chain(after).collect();
        share.starts = starts.into();
        share
    }

    /// This replica's rows of a batch.
    pub fn rows(&self, batch: u64) -> Range<u64> {
        self.sizes.part(&self.rows, self.place, batch)
    }

    /// Micro-batches in this replica's share of a batch.
    pub fn micro_batches(&self, batch: u64) -> u64 {
        let rows = self.rows(batch);
        (rows.end - rows.start).div_ceil(self.micro_rows)
    }

    /// The numbers of the micro-batches of a batch, counted from the start of the run.
    pub fn numbers(&self, batch: u64) -> Range<u64> {
        let warmup = self.sizes.warmup();
        let start = match self.starts.get(batch.min(warmup) as usize) {
            Some(start) => start + batch.saturating_sub(warmup) * self.micro_batches(warmup),
            None => unreachable!("there is a start of every batch that has not grown"),
        };
        start..start + self.micro_batches(batch)
    }

    /// The samples of a micro-batch, counted from the start of the run, by its number among [`Share::numbers`].
    pub fn samples(&self, micro_batch: u64) -> Range<u64> {
        let (batch, index) = self.find(micro_batch);
        let rows = self.rows(batch);
        let first = rows.start + index * self.micro_rows;
        let last = rows.end.min(first + self.micro_rows);
        let offset = self.sizes.before(batch);
        offset + first..offset + last
    }

    /// The batch of a micro-batch, and its number there.
    fn find(&self, micro_batch: u64) -> (u64, u64) {
        let warmup = self.sizes.warmup();
        let grown = self.starts[self.starts.len() - 1];
        if micro_batch >= grown {
            let (after, each) = (micro_batch - grown, self.micro_batches(warmup));
            return (warmup + after / each, after % each);
        }
        let batch = self.starts.partition_point(|start| *start <= micro_batch) - 1;
        (batch as u64, micro_batch - self.starts[batch])
    }
}

/// The rows of a global batch for each of several replicas, in proportion to their speeds, but at least one each.
///
/// # Errors
/// When there are fewer rows than replicas.
pub fn rows_by_speed(global_rows: usize, speeds: &[f64]) -> Result<Vec<Range<usize>>, DataError> {
    let world = speeds.len();
    if global_rows < world {
        return Err(DataError::TooFewRows { global_rows, world });
    }
    let total: f64 = speeds.iter().sum();
    let (mut start, mut passed) = (0, 0.0);
    let mut rows = Vec::with_capacity(world);
    for (rank, speed) in speeds.iter().enumerate() {
        passed += speed;
        let fair = (passed / total * global_rows as f64).round() as usize;
        let end = fair.clamp(start + 1, global_rows - (world - rank - 1));
        rows.push(start..end);
        start = end;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_the_speeds_and_nobody_is_left_without() {
        assert_eq!(rows_by_speed(12, &[1.0, 3.0]).unwrap(), [0..3, 3..12]);
        assert_eq!(rows_by_speed(12, &[1.0, 1000.0, 1.0]).unwrap(), [0..1, 1..11, 11..12]);
        assert_eq!(rows_by_speed(3, &[1e-9, 1.0, 1e-9]).unwrap(), [0..1, 1..2, 2..3]);
        assert_eq!(rows_by_speed(7, &[5.0]).unwrap().first(), Some(&(0..7)));
        assert!(matches!(rows_by_speed(1, &[1.0, 1.0]), Err(DataError::TooFewRows { global_rows: 1, world: 2 })));
    }

    fn global_batch(k: u64, global_rows: usize, micro_rows: usize, world: usize) -> Vec<u64> {
        let shares = (0..world).map(|rank| Share::new(global_rows, micro_rows, rank, world).unwrap());
        shares.flat_map(|share| share.numbers(k).flat_map(|m| share.samples(m)).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn replicas_partition_the_same_global_batches_in_every_world() {
        for global_rows in [12, 13] {
            for (world, micro_rows) in [1, 2, 3, 4].into_iter().flat_map(|world| [(world, 1), (world, 2), (world, 99)])
            {
                for k in [0, 1, 7, 1 << 40] {
                    let first = k * global_rows as u64;
                    let samples = global_batch(k, global_rows, micro_rows, world);
                    assert_eq!(samples, (first..first + global_rows as u64).collect::<Vec<_>>(), "world {world}");
                }
            }
        }
    }

    #[test]
    fn micro_batches_have_the_rows_asked_for_but_the_last() {
        let share = Share::new(22, 4, 1, 2).unwrap();
        assert_eq!((share.micro_batches(0), share.numbers(2)), (3, 6..9));
        assert_eq!([0, 1, 2, 3].map(|m| share.samples(m)), [11..15, 15..19, 19..22, 33..37]);
    }

    /// Whatever the replicas and their micro-batches, all samples come once and in order, batch by batch; each replica has some of
    /// each.
    #[test]
    fn replicas_partition_batches_that_grow() {
        for sizes in
            [BatchSizes::growing(2, 2, 6, 9), BatchSizes::growing(1, 4, 12, 3), BatchSizes::growing(12, 1, 1, 5)]
        {
            // Where each replica's rows begin, and where the last one's end.
            for (bounds, micro_rows) in [
                (&[0, 12][..], 2),
                (&[0, 12], 5),
                (&[0, 6, 12], 3),
                (&[0, 1, 12], 4),
                (&[0, 9, 10, 11, 12], 2),
                (&[0, 3, 6, 9, 12], 1),
            ] {
                let world = bounds.len() - 1;
                let share = |at: usize| Share::of_rows(sizes, bounds[at]..bounds[at + 1], (at, world), micro_rows);
                let shares: Vec<Share> = (0..world).map(share).collect();
                let mut next = vec![0; shares.len()];
                for batch in 0..15 {
                    let mut samples = Vec::new();
                    for (share, next) in shares.iter().zip(&mut next) {
                        let numbers = share.numbers(batch);
                        assert!(numbers.start == *next && !numbers.is_empty(), "{share:?}, {batch}");
                        *next = numbers.end;
                        samples.extend(numbers.flat_map(|number| share.samples(number)));
                    }
                    let expected = sizes.before(batch)..sizes.before(batch + 1);
                    assert_eq!(samples, expected.collect::<Vec<_>>(), "{bounds:?} of {sizes:?}, {batch}");
                }
            }
        }
    }

    #[test]
    fn refuses_replicas_that_do_not_exist_or_have_nothing_to_do() {
        assert!(matches!(Share::new(8, 2, 0, 0), Err(DataError::Rank { rank: 0, world: 0 })));
        assert!(matches!(Share::new(8, 2, 4, 4), Err(DataError::Rank { rank: 4, world: 4 })));
        assert!(matches!(Share::new(3, 1, 0, 4), Err(DataError::TooFewRows { global_rows: 3, world: 4 })));
        assert!(matches!(Share::new(8, 0, 0, 1), Err(DataError::ZeroMicroBatch)));
    }
}
