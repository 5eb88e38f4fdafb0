//! What lines and arrays have in common: a record at a time.

use crate::reader::fault::{FaultKind, FaultPlace};

/// A longer record is a fault, and is never held whole.
pub(super) const MAX_RECORD_BYTES: usize = 64 << 20;

/// What went wrong with a record.
pub(super) enum RecordFault {
    /// The record is left out; others follow.
    Record(FaultKind, String),
    /// Nothing follows.
    Source(FaultKind, String),
}

/// Where objects come from, one at a time.
pub(super) trait Records {
    /// Goes on to the next one. Whether there is any.
    fn advance(&mut self) -> Result<bool, RecordFault>;
    /// The bytes of the one that [`Records::advance`] went on to.
    fn bytes(&self) -> &[u8];
    /// Where that one is.
    fn place(&self) -> FaultPlace;
}
