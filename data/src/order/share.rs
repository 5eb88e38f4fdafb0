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
        let [global_rows, micro_rows, rank, world] = [global_rows, micro_rows, rank, world].map(|n| n as u64);
        let boundary = |rank: u64| rank * global_rows / world;
        Ok(Self { global_rows, rows: boundary(rank)..boundary(rank + 1), micro_rows })
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

#[cfg(test)]
mod tests {
    use super::*;

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
