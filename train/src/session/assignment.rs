//! Who does what of a step: the rows of each rank, the blocks of each stage, and how the first rank's share is cut.

use std::ops::Range;

use hearth_data::{BatchSizes, Share};

use crate::{TrainConfig, plan::Cut};

/// The only home of rows, blocks and cut; it has been checked when it is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    rows: Vec<Range<usize>>,
    blocks: Vec<Range<usize>>,
    cut: Cut,
}

impl Assignment {
    /// The assignment of ranks that have `rows` of each global batch and, in stages, `blocks` of the model. The stages of
    /// one pipeline have the same rows and follow one another.
    ///
    /// # Errors
    /// What does not fit together, in words.
    pub fn new(rows: Vec<Range<usize>>, blocks: Vec<Range<usize>>, cut: Cut) -> Result<Self, String> {
        let stages = blocks.len().max(1);
        if rows.is_empty() || !rows.len().is_multiple_of(stages) {
            return Err(format!("rows: {} ranks make no whole pipelines of {stages} stages", rows.len()));
        }
        let mut next = 0;
        for pipeline in rows.chunks(stages) {
            let own = &pipeline[0];
            if pipeline.iter().any(|rows| rows != own) || own.start != next || own.is_empty() {
                return Err(format!("rows = {rows:?} do not follow one another"));
            }
            next = own.end;
        }
        let mut next = 0;
        for own in &blocks {
            if own.start != next || own.is_empty() {
                return Err(format!("blocks = {blocks:?} do not follow one another"));
            }
            next = own.end;
        }
        let assignment = Self { rows, blocks, cut };
        assignment.check_cut()?;
        Ok(assignment)
    }

    fn check_cut(&self) -> Result<(), String> {
        let (cut, own) = (&self.cut, self.rows[0].len());
        let fits = match self.rows.len() {
            1 => cut.micro_batch.checked_mul(cut.accumulation) == Some(own),
            _ => (1..=own).contains(&cut.micro_batch),
        };
        if !fits || cut.logits_chunk == 0 {
            return Err(format!(
                "cut: {} x {} sequences are not the {own} of a step",
                cut.accumulation, cut.micro_batch
            ));
        }
        let mut next = 0;
        for segment in &cut.policy.segments {
            if segment.blocks.start != next || segment.blocks.is_empty() {
                return Err("cut: its segments do not follow one another".into());
            }
            next = segment.blocks.end;
        }
        match self.blocks.first() {
            Some(own) if own.len() != next => Err(format!("cut: its segments are not those of {} blocks", own.len())),
            _ => Ok(()),
        }
    }

    /// # Errors
    /// What does not fit the configuration, in words.
    pub fn fits(&self, config: &TrainConfig) -> Result<(), String> {
        let rows = config.batch.micro_batch * config.batch.accumulation;
        if self.global_rows() != rows {
            return Err(format!("rows = {:?} are not the {rows} of a step", self.rows_of_each()));
        }
        let layers = config.model.layers;
        let blocks = match self.blocks.last() {
            Some(last) => last.end,
            None => self.cut.policy.segments.last().map_or(0, |segment| segment.blocks.end),
        };
        if blocks != layers {
            return Err(format!("blocks = {:?} are not the {layers} of the model", self.blocks_of_each()));
        }
        Ok(())
    }

    /// Rows of each global batch that each rank has, by rank.
    pub fn rows(&self) -> &[Range<usize>] {
        &self.rows
    }

    /// Blocks of each stage; empty where each rank has the whole model.
    pub fn blocks(&self) -> &[Range<usize>] {
        &self.blocks
    }

    /// How the first rank takes its steps.
    pub fn cut(&self) -> &Cut {
        &self.cut
    }

    /// Number of ranks.
    pub fn world(&self) -> usize {
        self.rows.len()
    }

    /// Number of devices that one model is spread over.
    pub fn stages(&self) -> usize {
        self.blocks.len().max(1)
    }

    /// Rows of a global batch.
    pub fn global_rows(&self) -> usize {
        self.rows.last().map_or(0, |rows| rows.end)
    }

    /// The first rank's share of every global batch, whose rows are those of `sizes`, in its micro-batches.
    pub fn own_share(&self, sizes: BatchSizes) -> Share {
        Share::of_rows(sizes, self.rows[0].clone(), (0, self.world() / self.stages()), self.cut.micro_batch)
    }

    /// Number of rows of each rank in global batch `number`, by rank.
    pub fn rows_in(&self, sizes: BatchSizes, number: u64) -> Vec<usize> {
        let pipelines = (self.world() / self.stages()) as u64;
        let part = |(rank, rows): (usize, &Range<usize>)| {
            let place = ((rank / self.stages()) as u64, pipelines);
            let own = sizes.part(&(rows.start as u64..rows.end as u64), place, number);
            (own.end - own.start) as usize
        };
        self.rows.iter().enumerate().map(part).collect()
    }

    /// Number of rows of each replica or pipeline.
    pub fn rows_of_each(&self) -> Vec<usize> {
        self.rows.iter().step_by(self.stages()).map(Range::len).collect()
    }

    /// Number of blocks of each stage.
    pub fn blocks_of_each(&self) -> Vec<usize> {
        self.blocks.iter().map(Range::len).collect()
    }
}

/// An assignment as `state.json` has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedAssignment {
    /// How steps are cut: other micro-batches would sum in another order.
    pub cut: Option<Cut>,
    /// Rows of each of several replicas or pipelines; empty on one device.
    pub rows: Vec<usize>,
    /// Blocks of each of several stages.
    pub blocks: Vec<usize>,
}

impl From<&Assignment> for SavedAssignment {
    fn from(assignment: &Assignment) -> Self {
        let several = assignment.world() > 1;
        Self {
            cut: Some(assignment.cut.clone()),
            rows: if several { assignment.rows_of_each() } else { Vec::new() },
            blocks: assignment.blocks_of_each(),
        }
    }
}

impl SavedAssignment {
    /// What of it a run goes on with that has so many ranks and stages: all of it, but for the cut where steps are not cut by
    /// the same settings on the same device (`is_cut_alike`); nothing where it had other ranks or stages, for rows, blocks and
    /// cut are of its number.
    pub fn kept(&self, world: usize, stages: usize, is_cut_alike: bool) -> Self {
        let own_stages = self.blocks.len().max(1);
        if (self.rows.len().max(1) * own_stages, own_stages) != (world, stages) {
            return Self::default();
        }
        Self { cut: self.cut.clone().filter(|_| is_cut_alike), ..self.clone() }
    }

    /// The rows of every rank, by rank; `None` where there were not several.
    pub fn rows_of_ranks(&self) -> Option<Vec<Range<usize>>> {
        let rows = consecutive(&self.rows).ok().filter(|rows| !rows.is_empty())?;
        Some(rows.into_iter().flat_map(|rows| vec![rows; self.blocks.len().max(1)]).collect())
    }

    /// The assignment that was saved; `None` where an earlier Hearth saved too little of it.
    ///
    /// # Errors
    /// What does not fit together, in words: a file's numbers are not believed.
    pub fn read(&self) -> Result<Option<Assignment>, String> {
        let Some(cut) = self.cut.clone() else { return Ok(None) };
        let own = cut.micro_batch.checked_mul(cut.accumulation).ok_or("cut: too many sequences")?;
        consecutive(&self.rows)?;
        let rows = self.rows_of_ranks().unwrap_or_else(|| vec![0..own; self.blocks.len().max(1)]);
        Assignment::new(rows, consecutive(&self.blocks)?, cut).map(Some)
    }
}

/// Ranges of these lengths that follow one another.
fn consecutive(lengths: &[usize]) -> Result<Vec<Range<usize>>, String> {
    let mut end = 0usize;
    let range = |length: &usize| {
        let start = end;
        end = end.checked_add(*length).ok_or_else(|| format!("{lengths:?} are too many"))?;
        Ok(start..end)
    };
    lengths.iter().map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::Policy;

    /// splitmix64 (Steele et al. 2014): numbers below `limit`, the same for every run of the tests.
    struct Draw(u64);

    impl Draw {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) % limit as u64) as usize
        }

        /// `total` in `parts` numbers, none of them 0.
        fn parts(&mut self, total: usize, parts: usize) -> Vec<usize> {
            let mut left = total;
            let numbers = (0..parts).map(|at| {
                let most = left - (parts - at - 1);
                let own = if at + 1 == parts { left } else { 1 + self.below(most) };
                left -= own;
                own
            });
            numbers.collect()
        }
    }

    fn cut(micro_batch: usize, accumulation: usize, blocks: usize) -> Cut {
        Cut { micro_batch, accumulation, logits_chunk: 1, policy: Policy::keep(blocks) }
    }

    /// The assignment of a run on so many pipelines of so many stages, 12 rows a step and 6 blocks.
    fn drawn(draw: &mut Draw, pipelines: usize, stages: usize) -> Assignment {
        let rows = consecutive(&draw.parts(12, pipelines)).unwrap();
        let blocks = if stages > 1 { consecutive(&draw.parts(6, stages)).unwrap() } else { Vec::new() };
        let own = rows[0].len();
        let divisors: Vec<usize> = (1..=own).filter(|rows| own.is_multiple_of(*rows)).collect();
        let micro = divisors[draw.below(divisors.len())];
        let cut = cut(micro, own / micro, blocks.first().map_or(6, Range::len));
        let rows = rows.into_iter().flat_map(|rows| vec![rows; stages]).collect();
        Assignment::new(rows, blocks, cut).unwrap()
    }

    fn shape(draw: &mut Draw) -> [usize; 2] {
        [[1, 1], [2, 1], [3, 1], [4, 1], [1, 2], [2, 2], [1, 3], [1, 4]][draw.below(8)]
    }

    #[test]
    fn what_is_saved_is_read_again() {
        let draw = &mut Draw(1);
        for _ in 0..200 {
            let [pipelines, stages] = shape(draw);
            let assignment = drawn(draw, pipelines, stages);
            let saved = SavedAssignment::from(&assignment);
            assert_eq!(saved.read(), Ok(Some(assignment.clone())));
            let kept = saved.kept(pipelines * stages, stages, true);
            assert_eq!((kept == saved, kept.rows_of_ranks()), (true, Some(assignment.rows).filter(|it| it.len() > 1)));
        }
    }

    /// A run that is resumed on other devices takes nothing of what it had on these: with a cut for 6 rows of 12 every
    /// checkpoint of one device would be refused.
    #[test]
    fn other_ranks_or_stages_keep_nothing() {
        let draw = &mut Draw(2);
        for _ in 0..200 {
            let ([pipelines, stages], [now, stages_now]) = (shape(draw), shape(draw));
            let before = SavedAssignment::from(&drawn(draw, pipelines, stages));
            let is_alike = draw.below(2) == 1;
            let kept = before.kept(now * stages_now, stages_now, is_alike);
            if (pipelines, stages) != (now, stages_now) {
                assert_eq!(kept, SavedAssignment::default());
                continue;
            }
            assert_eq!((kept.rows, kept.blocks, kept.cut.is_some()), (before.rows, before.blocks, is_alike));
        }
        let of_two = SavedAssignment { cut: Some(cut(1, 6, 6)), rows: vec![6, 6], blocks: Vec::new() };
        assert_eq!(of_two.kept(1, 1, true).cut, None);
        let of_one = SavedAssignment { cut: Some(cut(12, 1, 6)), ..SavedAssignment::default() };
        assert_eq!(of_one.kept(2, 1, true).cut, None);
        assert_eq!(of_one.kept(1, 1, true).cut, of_one.cut);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let refused = |rows: &[Range<usize>], blocks: &[Range<usize>], cut: Cut, told: &str| {
            let error = Assignment::new(rows.to_vec(), blocks.to_vec(), cut).unwrap_err();
            assert!(error.contains(told), "{error}");
        };
        refused(&[0..6, 7..12], &[], cut(1, 6, 6), "do not follow one another");
        refused(&[0..6, 0..6, 6..12], &[0..3, 3..6], cut(1, 6, 3), "3 ranks make no whole pipelines of 2 stages");
        refused(&[0..6, 6..12], &[0..3, 3..6], cut(1, 6, 3), "do not follow one another");
        refused(&[0..12, 0..12], &[0..3, 4..6], cut(1, 12, 3), "do not follow one another");
        refused(&[0..6, 6..12], &[], cut(7, 1, 6), "cut: 1 x 7 sequences are not the 6 of a step");
        refused(&[0..12, 0..12], &[0..3, 3..6], cut(1, 12, 2), "its segments are not those of 3 blocks");
    }
}
