//! JSON Lines: an object a line.

use super::records::{MAX_RECORD_BYTES, RecordFault, Records};
use crate::reader::fault::{FaultKind, FaultPlace};
use crate::reader::lines::Lines;

impl Records for Lines {
    fn advance(&mut self) -> Result<bool, RecordFault> {
        let unreadable = |error: std::io::Error| RecordFault::Source(FaultKind::Unreadable, error.to_string());
        if !self.read_part(MAX_RECORD_BYTES, 0).map_err(unreadable)? {
            return Ok(false);
        }
        let too_long = !self.ends;
        self.skip_line(MAX_RECORD_BYTES).map_err(unreadable)?;
        match too_long {
            true => {
                let reason = format!("the line has more than {MAX_RECORD_BYTES} bytes");
                Err(RecordFault::Record(FaultKind::LineTooLong, reason))
            }
            false => Ok(true),
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn place(&self) -> FaultPlace {
        FaultPlace::Line(self.number)
    }
}
