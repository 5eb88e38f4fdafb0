//! A stream of token ids.

use crate::DataError;

/// A stream of token ids in memory. Every id fits an `i32`, the integer that devices take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens(Vec<u32>);

impl Tokens {
    /// The stream of `ids`, in their order.
    ///
    /// # Errors
    /// When an id is above `i32::MAX`.
    pub fn new(ids: Vec<u32>) -> Result<Self, DataError> {
        match ids.iter().position(|&id| i32::try_from(id).is_err()) {
            Some(position) => Err(DataError::IdTooLarge { id: ids[position], position }),
            None => Ok(Self(ids)),
        }
    }

    /// Cuts the stream once: `(training, validation)`, where validation is the last `validation_fraction`
    /// (from 0, none, up to but not including 1). Training takes `floor(len * (1 - validation_fraction))`
    /// tokens, as in nanoGPT's data preparation.
    ///
    /// # Errors
    /// When `validation_fraction` is out of range or not a number.
    pub fn split(self, validation_fraction: f64) -> Result<(Self, Self), DataError> {
        if !(0.0..1.0).contains(&validation_fraction) {
            return Err(DataError::ValidationFraction { fraction: validation_fraction });
        }
        let Self(mut training) = self;
        let boundary = (training.len() as f64 * (1.0 - validation_fraction)) as usize;
        let validation = training.split_off(boundary);
        Ok((Self(training), Self(validation)))
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none, as in the validation part of a split by 0.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids, in order.
    pub fn as_slice(&self) -> &[u32] {
        &self.0
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
}
