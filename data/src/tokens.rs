//! A stream of token ids in memory.

use std::ops::Range;

use crate::stream::PAIRS;
use crate::{DataError, TokenStream};

/// A stream of token ids in memory. Every id fits an `i32`, the integer that devices take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    ids: Vec<u32>,
    /// Where each document ends, counted in tokens. Never falls; the last is the stream's length.
    document_ends: Vec<u64>,
    /// Whether each token is trained; none where all are.
    trained: Option<Vec<bool>>,
    holds_pairs: bool,
}

impl Tokens {
    /// The stream of `ids`, in their order, as one document.
    ///
    /// # Errors
    /// When an id is above `i32::MAX`.
    pub fn new(ids: Vec<u32>) -> Result<Self, DataError> {
        let end = ids.len() as u64;
        Self::with_documents(ids, vec![end])
    }

    /// As [`Tokens::new`] for a stream whose document `k` ends before token `document_ends[k]`.
    ///
    /// # Errors
    /// As [`Tokens::new`], and when the ends fall or the last is not the number of ids.
    pub fn with_documents(ids: Vec<u32>, document_ends: Vec<u64>) -> Result<Self, DataError> {
        if let Some(position) = ids.iter().position(|&id| i32::try_from(id).is_err()) {
            return Err(DataError::IdTooLarge { id: ids[position], position });
        }
        let tokens = ids.len() as u64;
        if document_ends.last() != Some(&tokens) || !document_ends.is_sorted() {
            return Err(DataError::DocumentEnds { tokens });
        }
        Ok(Self { ids, document_ends, trained: None, holds_pairs: false })
    }

    /// The same stream, of which a model is trained to say the tokens that are `true` here, and no others.
    ///
    /// # Errors
    /// When there are not as many as tokens.
    pub fn with_trained(self, trained: Vec<bool>) -> Result<Self, DataError> {
        match trained.len() == self.ids.len() {
            true => Ok(Self { trained: Some(trained).filter(|trained| trained.contains(&false)), ..self }),
            false => Err(DataError::MaskLength { tokens: self.ids.len(), mask: trained.len() }),
        }
    }

    /// The same stream as one of preferences: documents `2k` and `2k + 1` are the chosen and the rejected one.
    ///
    /// # Errors
    /// When the number of documents is odd.
    pub fn into_pairs(self) -> Result<Self, DataError> {
        match self.document_ends.len().is_multiple_of(2) {
            true => Ok(Self { holds_pairs: true, ..self }),
            false => Err(DataError::OddPairs { documents: self.document_ends.len() as u64 }),
        }
    }

    /// The same stream for a model whose embedding has `vocab_size` rows, as `TokenFiles::for_vocabulary`. Looks at every id
    /// once.
    ///
    /// # Errors
    /// When an id has no row.
    pub fn for_vocabulary(self, vocab_size: usize) -> Result<Self, DataError> {
        match self.ids.iter().position(|&id| id as usize >= vocab_size) {
            Some(position) => Err(DataError::IdBeyondVocabulary { id: self.ids[position], position, vocab_size }),
            None => Ok(self),
        }
    }

    /// Cuts the stream once: `(training, validation)`, where validation is the last `validation_fraction`
    /// (from 0, none, up to but not including 1). Training takes `floor(len * (1 - validation_fraction))`
    /// tokens, as in nanoGPT's data preparation. A document across the cut becomes two, and pairs are plain documents.
    ///
    /// # Errors
    /// When `validation_fraction` is out of range or not a number.
    pub fn split(self, validation_fraction: f64) -> Result<(Self, Self), DataError> {
        if !(0.0..1.0).contains(&validation_fraction) {
            return Err(DataError::ValidationFraction { fraction: validation_fraction });
        }
        let Self { mut ids, document_ends: mut ends, mut trained, .. } = self;
        let boundary = (ids.len() as f64 * (1.0 - validation_fraction)) as usize;
        let validation = ids.split_off(boundary);
        let validation_trained = trained.as_mut().map(|trained| trained.split_off(boundary));
        let boundary = boundary as u64;
        let later = ends.split_off(ends.partition_point(|&end| end < boundary));
        ends.push(boundary);
        let later = later.into_iter().map(|end| end - boundary).collect();
        let part = |ids, document_ends, trained| Self { ids, document_ends, trained, holds_pairs: false };
        Ok((part(ids, ends, trained), part(validation, later, validation_trained)))
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none, as in the validation part of a split by 0.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The ids, in order.
    pub fn as_slice(&self) -> &[u32] {
        &self.ids
    }
}

impl TokenStream for Tokens {
    fn token_count(&self) -> u64 {
        self.ids.len() as u64
    }

    fn copy(&self, start: u64, out: &mut [i32]) -> Result<(), DataError> {
        let start = start as usize; // an index into memory
        let ids = &self.ids[start..start + out.len()];
        out.iter_mut().zip(ids).for_each(|(out, &id)| *out = id as i32); // no id is above `i32::MAX`
        Ok(())
    }

    fn trained(&self, start: u64, out: &mut [bool]) -> Result<(), DataError> {
        let start = start as usize; // an index into memory
        match &self.trained {
            Some(trained) => out.copy_from_slice(&trained[start..start + out.len()]),
            None => out.fill(true),
        }
        Ok(())
    }

    fn is_masked(&self) -> bool {
        self.trained.is_some()
    }

    fn holds_pairs(&self) -> bool {
        self.holds_pairs
    }

    fn document_count(&self) -> u64 {
        self.document_ends.len() as u64
    }

    fn document(&self, document: u64) -> Result<Range<u64>, DataError> {
        let index = document as usize;
        let start = if index == 0 { 0 } else { self.document_ends[index - 1] };
        Ok(start..self.document_ends[index])
    }

    fn content_hash(&self) -> [u8; 32] {
        let mut content = blake3::Hasher::new();
        content.update(&(self.ids.len() as u64).to_le_bytes());
        for id in &self.ids {
            content.update(&id.to_le_bytes());
        }
        for end in &self.document_ends {
            content.update(&end.to_le_bytes());
        }
        for &trained in self.trained.iter().flatten() {
            content.update(&[u8::from(trained)]);
        }
        if self.holds_pairs {
            content.update(PAIRS);
        }
        content.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_tiny_shakespeare_where_nanogpt_does() {
        let ids: Vec<u32> = (0..1_115_394).collect();
        let (training, validation) = Tokens::new(ids).unwrap().split(0.1).unwrap();
        assert_eq!((training.len(), validation.len()), (1_003_854, 111_540));
        assert_eq!(training.as_slice()[1_003_853], 1_003_853);
        assert_eq!(validation.as_slice()[0], 1_003_854);
    }

    #[test]
    fn content_is_ids_and_documents() {
        let hash = |ids: &[u32], ends: &[u64]| Tokens::with_documents(ids.into(), ends.into()).unwrap().content_hash();
        let one = hash(&[1, 2, 3], &[3]);
        assert_eq!(one, hash(&[1, 2, 3], &[3]));
        for other in [hash(&[1, 2, 4], &[3]), hash(&[1, 2, 3], &[1, 3]), hash(&[1, 2], &[2])] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn split_by_zero_keeps_everything_for_training() {
        let (training, validation) = Tokens::new(vec![7, 8, 9]).unwrap().split(0.0).unwrap();
        assert_eq!(training.as_slice(), [7, 8, 9]);
        assert!(validation.is_empty());
    }

    #[test]
    fn refuses_what_is_no_fraction_and_ids_that_do_not_fit() {
        for fraction in [-0.1, 1.0, f64::NAN] {
            let error = Tokens::new(vec![1, 2]).unwrap().split(fraction).unwrap_err();
            assert!(matches!(error, DataError::ValidationFraction { .. }), "{fraction}");
        }
        let error = Tokens::new(vec![i32::MAX as u32, 1 << 31]).unwrap_err();
        assert!(matches!(error, DataError::IdTooLarge { id: 0x8000_0000, position: 1 }));
    }

    #[test]
    fn refuses_ids_that_a_model_has_no_row_for() {
        let tokens = Tokens::new(vec![3, 7, 5]).unwrap();
        assert_eq!(tokens.clone().for_vocabulary(8).unwrap(), tokens);
        let error = tokens.for_vocabulary(7).unwrap_err();
        assert!(matches!(error, DataError::IdBeyondVocabulary { id: 7, position: 1, vocab_size: 7 }), "{error}");
    }

    #[test]
    fn split_cuts_the_documents_too() {
        let ends_of =
            |tokens: &Tokens| (0..tokens.document_count()).map(|k| tokens.document(k).unwrap().end).collect::<Vec<_>>();
        let cut = |ends: Vec<u64>| {
            let (training, validation) = Tokens::with_documents((0..10).collect(), ends).unwrap().split(0.5).unwrap();
            (ends_of(&training), ends_of(&validation))
        };
        assert_eq!(cut(vec![3, 7, 10]), (vec![3, 5], vec![2, 5]));
        assert_eq!(cut(vec![2, 2, 10]), (vec![2, 2, 5], vec![5]));
        assert_eq!(cut(vec![10]), (vec![5], vec![5]));
    }

    #[test]
    fn refuses_documents_that_do_not_make_up_the_stream() {
        for ends in [vec![], vec![1], vec![3], vec![2, 1, 2]] {
            let error = Tokens::with_documents(vec![1, 2], ends).unwrap_err();
            assert!(matches!(error, DataError::DocumentEnds { tokens: 2 }));
        }
    }
}
