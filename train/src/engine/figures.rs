//! What was measured of ranks, and whether other rows for them would make steps shorter.

use std::ops::Range;

use hearth_data::rows_by_speed;

use crate::step::RankFigures;

/// A new division has to make steps this much shorter to be worth the change.
const WORTHWHILE: f64 = 0.9;

/// Sums of what ranks measured.
pub(super) struct Figures {
    all: Sums,
    /// Sums since the rows were last looked at.
    recent: Sums,
}

#[derive(Clone)]
struct Sums {
    steps: u64,
    ranks: Vec<RankFigures>,
}

impl Sums {
    fn new(world: usize) -> Self {
        Self { steps: 0, ranks: vec![RankFigures::default(); world] }
    }

    fn add(&mut self, ranks: &[RankFigures]) {
        for (sum, new) in self.ranks.iter_mut().zip(ranks) {
            sum.walk += new.walk;
            sum.transfer += new.transfer;
            sum.wait += new.wait;
        }
        self.steps += u64::from(!ranks.is_empty());
    }
}

impl Figures {
    pub fn new(world: usize) -> Self {
        Self { all: Sums::new(world), recent: Sums::new(world) }
    }

    /// Adds those of a step; none where nothing was measured.
    pub fn add(&mut self, ranks: &[RankFigures]) {
        self.all.add(ranks);
        self.recent.add(ranks);
    }

    /// Forgets everything: it says nothing of what comes.
    pub fn forget(&mut self) {
        *self = Self::new(self.all.ranks.len());
    }

    /// What each rank did in a step, on average; empty where nothing was measured.
    pub fn means(&self) -> Vec<RankFigures> {
        let Sums { steps, ranks } = &self.all;
        let steps = *steps as f64;
        let mean = |sum: &RankFigures| RankFigures {
            walk: sum.walk / steps,
            transfer: sum.transfer / steps,
            wait: sum.wait / steps,
        };
        if self.all.steps == 0 { Vec::new() } else { ranks.iter().map(mean).collect() }
    }

    /// Other rows than `rows` for each rank, if they make a step that much shorter by what each took for its own in the last
    /// `every` steps; 0 leaves them.
    pub fn better_rows(&mut self, rows: &[Range<usize>], every: u64) -> Option<Vec<Range<usize>>> {
        if every == 0 || self.recent.steps < every {
            return None;
        }
        let recent = std::mem::replace(&mut self.recent, Sums::new(rows.len()));
        let walks: Vec<f64> = recent.ranks.iter().map(|sum| sum.walk / recent.steps as f64).collect();
        better_rows(rows, &walks)
    }
}

/// See [`Figures::better_rows`]; `walks` are the seconds that each rank takes for its rows.
fn better_rows(rows: &[Range<usize>], walks: &[f64]) -> Option<Vec<Range<usize>>> {
    let speeds: Vec<f64> = rows.iter().zip(walks).map(|(rows, walk)| rows.len() as f64 / walk.max(1e-9)).collect();
    let better = rows_by_speed(rows.last()?.end, &speeds).ok()?;
    let slowest = |rows: &[Range<usize>]| {
        rows.iter().zip(&speeds).map(|(rows, speed)| rows.len() as f64 / speed).fold(0.0, f64::max)
    };
    (slowest(&better) < WORTHWHILE * slowest(rows)).then_some(better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_has_become_slow_gets_fewer_rows() {
        // Equal rows, one four times as slow: 16 rows in max(13 * 20, 3 * 80) = 260 and not 640.
        assert_eq!(better_rows(&[0..8, 8..16], &[0.16, 0.64]), Some(vec![0..13, 13..16]));
        // Nothing to win: a row more is 14 % of 8.
        assert_eq!(better_rows(&[0..8, 8..16], &[0.16, 0.17]), None);
        assert_eq!(better_rows(&[0..1, 1..2], &[0.1, 0.4]), None);
    }

    /// The first steps compile kernels: seconds on a device with a cold cache, tenths on another.
    #[test]
    fn what_is_forgotten_moves_no_rows() {
        let walks = |one, other| [one, other].map(|walk| RankFigures { walk, ..RankFigures::default() });
        let rows = [0..8, 8..16];
        let mut figures = Figures::new(2);
        figures.add(&walks(0.1, 9.0));
        figures.add(&walks(0.1, 0.2));
        figures.forget();
        assert!(figures.means().is_empty());
        (0..20).for_each(|_| figures.add(&walks(0.1, 0.1)));
        assert_eq!(figures.better_rows(&rows, 20), None);
        assert!((figures.means()[1].walk - 0.1).abs() < 1e-9);
        let mut figures = Figures::new(2);
        figures.add(&walks(0.1, 9.0));
        (0..19).for_each(|_| figures.add(&walks(0.1, 0.1)));
        assert!(figures.better_rows(&rows, 20).is_some());
    }
}
