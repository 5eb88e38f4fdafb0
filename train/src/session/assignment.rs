//! Who does what of a step: the rows of each rank, the blocks of each stage, and how the first rank's share is cut.

use std::ops::Range;

use hearth_data::Share;

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

    /// The first rank's share of every global batch, in its micro-batches.
    pub fn own_share(&self) -> Share {
        Share::of_rows(self.global_rows(), self.rows[0].clone(), self.cut.micro_batch)
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
    /// The assignment that was saved; `None` where an earlier Hearth saved too little of it.
    ///
    /// # Errors
    /// What does not fit together, in words: a file's numbers are not believed.
    pub fn read(&self) -> Result<Option<Assignment>, String> {
        let Some(cut) = self.cut.clone() else { return Ok(None) };
        let own = cut.micro_batch.checked_mul(cut.accumulation).ok_or("cut: too many sequences")?;
        let stages = self.blocks.len().max(1);
        let rows = match self.rows.is_empty() {
            true => vec![0..own],
            false => consecutive(&self.rows)?,
        };
        let rows = rows.into_iter().flat_map(|rows| vec![rows; stages]).collect();
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
