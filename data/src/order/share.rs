//! How the samples of a run are dealt out to replicas and micro-batches.

use std::ops::Range;

use crate::DataError;

/// One replica's share of every global batch, cut into micro-batches.
///
/// Global batch `k` is always the samples `k * G..(k + 1) * G`. A replica takes consecutive rows of it, so with another
/// number of replicas, or other micro-batches, the same global batches follow one another in the same order.
#[derive(Debug, Clone)]
pub struct Share {
    /// `G`, the rows of a global batch.
    global_rows: u64,
    /// This replica's among them.
    rows: Range<u64>,
    micro_rows: u64,
}

impl Share {
    /// The share of replica `rank` of `world`, in micro-batches of `micro_rows` rows; what is left over makes a smaller
    /// one. The shares of two replicas differ by at most a row.
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
        Ok(Self::of_rows(global_rows, boundary(rank)..boundary(rank + 1), micro_rows))
    }

    /// The share that has the rows `rows` of each global batch of `global_rows`, in micro-batches of `micro_rows`.
    ///
    /// # Panics
    /// If `micro_rows` is 0.
    pub fn of_rows(global_rows: usize, rows: Range<usize>, micro_rows: usize) -> Self {
        assert!(micro_rows > 0, "a micro-batch has rows");
        Self {
            global_rows: global_rows as u64,
            rows: rows.start as u64..rows.end as u64,
            micro_rows: micro_rows as u64,
        }
    }

    /// Micro-batches in this replica's share of a global batch.
    pub fn micro_batches(&self) -> u64 {
        (self.rows.end - self.rows.start).div_ceil(self.micro_rows)
    }

    /// The samples of a micro-batch, counted from the start of the run: micro-batch `m` of global batch `k` has the number
    /// `k * micro_batches + m`.
    pub fn samples(&self, micro_batch: u64) -> Range<u64> {
        let (global_batch, index) = (micro_batch / self.micro_batches(), micro_batch % self.micro_batches());
        let first = self.rows.start + index * self.micro_rows;
        let last = self.rows.end.min(first + self.micro_rows);
        let offset = global_batch * self.global_rows;
        offset + first..offset + last
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
        shares
            .flat_map(|share| {
                let first = k * share.micro_batches();
                (first..first + share.micro_batches()).flat_map(|m| share.samples(m)).collect::<Vec<_>>()
            })
            .collect()
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
        assert_eq!(share.micro_batches(), 3);
        assert_eq!([0, 1, 2, 3].map(|m| share.samples(m)), [11..15, 15..19, 19..22, 33..37]);
    }

    #[test]
    fn refuses_replicas_that_do_not_exist_or_have_nothing_to_do() {
        assert!(matches!(Share::new(8, 2, 0, 0), Err(DataError::Rank { rank: 0, world: 0 })));
        assert!(matches!(Share::new(8, 2, 4, 4), Err(DataError::Rank { rank: 4, world: 4 })));
        assert!(matches!(Share::new(3, 1, 0, 4), Err(DataError::TooFewRows { global_rows: 3, world: 4 })));
        assert!(matches!(Share::new(8, 0, 0, 1), Err(DataError::ZeroMicroBatch)));
    }
}
