//! Rows side by side, as a model takes them.

mod batches;
#[cfg(feature = "dataset")]
mod dataset;
mod loader;
mod packing;
mod pairs;
mod rows;

pub use self::batches::Batches;
#[cfg(feature = "dataset")]
pub use self::dataset::TokenDataset;
pub use self::loader::Loader;
pub use self::rows::Rows;

/// A target that is not counted in the loss, as one that is not trained. None arise from a plain stream of text.
pub const IGNORED: i32 = -1;

/// Inputs and targets of one forward pass, both `[B, T]` in row-major order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Token ids, `[B, T]`.
    pub inputs: Vec<i32>,
    /// The token after each input, or [`IGNORED`], `[B, T]`.
    pub targets: Vec<i32>,
    /// `B`, the number of rows.
    pub rows: usize,
    /// `T`, the positions in each.
    pub time: usize,
    /// Which document each position belongs to; none where a row is one window of the stream.
    pub packing: Option<Packed>,
}

/// How rows divide into documents. A position may attend only to positions of its own row and document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// Number of the document within its row, from 0, `[B, T]`. Padding counts as a document of its own.
    pub documents: Vec<i32>,
    /// Position within the document, from 0, `[B, T]`.
    pub positions: Vec<i32>,
}

/// One row of a batch that is being filled, `[T]` each.
pub(crate) struct Row<'a> {
    pub inputs: &'a mut [i32],
    pub targets: &'a mut [i32],
    /// Documents and positions, where the batch has them.
    pub packing: Option<[&'a mut [i32]; 2]>,
}

impl Batch {
    /// Number of targets that count in the loss: those that are not negative, which PyTorch's -100 is as much as [`IGNORED`].
    pub fn counted(&self) -> usize {
        self.targets.iter().filter(|&&target| target >= 0).count()
    }

    /// The same rows in batches of at most `rows`, in order.
    pub fn split(&self, rows: usize) -> impl Iterator<Item = Self> {
        let rows = rows.max(1);
        (0..self.rows).step_by(rows).map(move |first| {
            let last = self.rows.min(first + rows);
            let cut = |values: &Vec<i32>| values[first * self.time..last * self.time].to_vec();
            let packing = self.packing.as_ref();
            Self {
                inputs: cut(&self.inputs),
                targets: cut(&self.targets),
                rows: last - first,
                time: self.time,
                packing: packing.map(|p| Packed { documents: cut(&p.documents), positions: cut(&p.positions) }),
            }
        })
    }

    /// Takes another shape, in the memory it has; what the rows hold is left undefined.
    pub(crate) fn reshape(&mut self, rows: usize, time: usize, packed: bool) {
        (self.rows, self.time) = (rows, time);
        self.inputs.resize(rows * time, 0);
        self.targets.resize(rows * time, 0);
        self.packing = packed.then(|| self.packing.take().unwrap_or_default());
        if let Some(packing) = &mut self.packing {
            packing.documents.resize(rows * time, 0);
            packing.positions.resize(rows * time, 0);
        }
    }

    pub(crate) fn row(&mut self, row: usize) -> Row<'_> {
        let span = row * self.time..(row + 1) * self.time;
        let packing = self.packing.as_mut();
        Row {
            inputs: &mut self.inputs[span.clone()],
            targets: &mut self.targets[span.clone()],
            packing: packing.map(|p| [&mut p.documents[span.clone()], &mut p.positions[span]]),
        }
    }
}

impl Row<'_> {
    /// Makes the positions from `at` on count for nothing: an id that every vocabulary has, and no target.
    pub(crate) fn leave_out_from(&mut self, at: usize) {
        self.inputs[at..].fill(0);
        self.targets[at..].fill(IGNORED);
    }

    /// As [`Row::leave_out_from`] for the whole row.
    pub(crate) fn leave_out(mut self) {
        self.leave_out_from(0);
        self.mark(0, self.inputs.len(), 0);
    }

    /// Makes the positions from `at` on, `length` of them, the document number `document`.
    pub(crate) fn mark(&mut self, at: usize, length: usize, document: usize) {
        if let Some([documents, positions]) = &mut self.packing {
            documents[at..at + length].fill(document as i32);
            positions[at..at + length].iter_mut().zip(0..).for_each(|(out, position)| *out = position);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of the loss: PyTorch's -100 does not count either.
    #[test]
    fn no_negative_target_counts() {
        let targets = vec![0, IGNORED, -100, 7, i32::MIN, 3];
        let batch = Batch { inputs: vec![0; 6], targets, rows: 2, time: 3, packing: None };
        assert_eq!(batch.counted(), 3);
    }

    #[test]
    fn split_keeps_every_row_in_order() {
        let packing = Packed { documents: (2..17).collect(), positions: (3..18).collect() };
        let batch = Batch {
            inputs: (0..15).collect(),
            targets: (1..16).collect(),
            rows: 5,
            time: 3,
            packing: Some(packing.clone()),
        };
        let parts: Vec<Batch> = batch.split(2).collect();
        assert_eq!(parts.iter().map(|part| part.rows).collect::<Vec<_>>(), [2, 2, 1]);
        let joined = |field: fn(&Batch) -> &Vec<i32>| parts.iter().flat_map(field).copied().collect::<Vec<_>>();
        assert_eq!(joined(|part| &part.inputs), batch.inputs);
        assert_eq!(joined(|part| &part.targets), batch.targets);
        assert_eq!(joined(|part| &part.packing.as_ref().unwrap().documents), packing.documents);
        assert_eq!(joined(|part| &part.packing.as_ref().unwrap().positions), packing.positions);
    }
}
