//! How many rows each global batch of a run has.

use std::ops::Range;

/// The rows of each global batch: the same for all, or at first fewer, which grow in a line to all (McCandlish et al. 2018, arXiv
/// 1812.06162). A pure function of the batch's number, so that the samples before any batch are known without counting them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchSizes {
    /// Rows that a batch grows by.
    unit: u64,
    /// Units of the first batch.
    first: u64,
    /// Units of those that have grown.
    last: u64,
    /// Number of batches before those.
    growing: u64,
}

impl BatchSizes {
    /// Batches that all have `rows` rows.
    pub fn constant(rows: u64) -> Self {
        Self { unit: rows, first: 1, last: 1, growing: 0 }
    }

    /// Batches of `first` times `unit` rows at first, and `last` times from number `growing` on.
    ///
    /// # Panics
    /// If `first` is above `last`.
    pub fn growing(unit: u64, first: u64, last: u64, growing: u64) -> Self {
        assert!(first <= last, "batches grow from {first} to {last} units");
        Self { unit, first, last, growing }
    }

    /// Rows of a batch that has grown.
    pub fn full(&self) -> u64 {
        self.unit.saturating_mul(self.last)
    }

    /// Number of batches that have not grown to all rows.
    pub fn warmup(&self) -> u64 {
        self.growing
    }

    /// Rows of batch `number`, from 0.
    pub fn rows(&self, number: u64) -> u64 {
        if number >= self.growing {
            return self.full();
        }
        let more = u128::from(self.last - self.first) * u128::from(number) / u128::from(self.growing);
        self.unit.saturating_mul(self.first + more as u64)
    }

    /// What of batch `number` a replica has that is number `rank` of `world` and has `rows` of a batch that has grown: of a smaller one
    /// each replica has a row, and of the rest as much as of all rows.
    pub fn part(&self, rows: &Range<u64>, (rank, world): (u64, u64), number: u64) -> Range<u64> {
        let (full, now) = (self.full(), self.rows(number));
        if full == now {
            return rows.clone();
        }
        let boundary = |row: u64, rank: u64| rank + (row - rank) * (now - world) / (full - world);
        boundary(rows.start, rank)..boundary(rows.end, rank + 1)
    }

    /// Rows of all batches before `number`.
    pub fn before(&self, number: u64) -> u64 {
        let (growing, slope) = (number.min(self.growing), u128::from(self.last - self.first));
        let more = floor_sum(growing.into(), self.growing.max(1).into(), slope);
        let units = u128::from(self.first) * u128::from(growing) + more;
        let units = units + u128::from(self.last) * u128::from(number - growing);
        u64::try_from(units.saturating_mul(self.unit.into())).unwrap_or(u64::MAX)
    }

    /// Number of batches that have `rows` rows together, or the first more.
    pub fn reaching(&self, rows: u64) -> u64 {
        let grown = self.before(self.growing);
        if rows > grown {
            return self.growing + (rows - grown).div_ceil(self.full().max(1));
        }
        let (mut low, mut high) = (0, self.growing);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.before(middle) < rows { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// The sum of `floor(a * k / m)` over `k` from 0 to `n - 1`, by Euclid's algorithm (Graham, Knuth and Patashnik, Concrete Mathematics,
/// section 3.5).
fn floor_sum(n: u128, m: u128, a: u128) -> u128 {
    let (mut n, mut m, mut a, mut b, mut sum) = (n, m, a, 0, 0);
    while n > 0 {
        sum += (a / m) * (n * (n - 1) / 2) + (b / m) * n;
        (a, b) = (a % m, b % m);
        let top = a * n + b;
        (n, b) = (top / m, top % m);
        (m, a) = (a, m);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_grow_in_a_line_by_whole_units() {
        let sizes = BatchSizes::growing(2, 1, 4, 6);
        let rows: Vec<u64> = (0..9).map(|number| sizes.rows(number)).collect();
        assert_eq!(rows, [2, 2, 4, 4, 6, 6, 8, 8, 8]);
        assert_eq!((sizes.full(), sizes.warmup()), (8, 6));
        assert_eq!((BatchSizes::constant(5).rows(0), BatchSizes::constant(5).before(7)), (5, 35));
    }

    #[test]
    fn what_comes_before_is_the_sum_of_what_came() {
        for (unit, first, last, growing) in
            [(1, 1, 1, 0), (3, 1, 9, 4), (2, 1, 3, 50), (1, 2, 1000, 7), (5, 4, 4, 9), (1, 1, 65, 64), (4, 3, 50, 1)]
        {
            let sizes = BatchSizes::growing(unit, first, last, growing);
            let mut sum = 0;
            for number in 0..200 {
                assert_eq!(sizes.before(number), sum, "{sizes:?}, {number}");
                assert_eq!(sizes.reaching(sum), number, "{sizes:?}");
                assert_eq!(sizes.reaching(sum + 1), number + 1, "{sizes:?}");
                sum += sizes.rows(number);
            }
        }
        let long = BatchSizes::growing(1 << 10, 1, 1 << 20, 1 << 40);
        assert_eq!(long.rows(1 << 40), 1 << 30);
        assert!(long.before(1 << 30) < long.before((1 << 30) + 1));
        assert_eq!(BatchSizes::constant(1 << 40).before(1 << 40), u64::MAX);
    }
}
