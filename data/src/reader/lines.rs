//! Lines of a byte stream, in parts of bounded size.

use std::io::{self, BufRead, Read};

/// A cursor over lines.
pub(super) struct Lines {
    source: Box<dyn BufRead + Send>,
    /// The part read last, its newline included.
    pub(super) bytes: Vec<u8>,
    /// Number of the line that the part belongs to, from 1.
    pub(super) number: u64,
    /// Whether the part begins its line.
    pub(super) begins: bool,
    /// Whether the part ends its line.
    pub(super) ends: bool,
}

impl Lines {
    pub(super) fn of(source: Box<dyn BufRead + Send>) -> Self {
        Self { source, bytes: Vec::new(), number: 0, begins: false, ends: true }
    }

    /// Reads on to the end of the line, or at most `limit` bytes of it, behind the last `carried` bytes of the part
    /// before. Whether there was anything to read.
    pub(super) fn read_part(&mut self, limit: usize, carried: usize) -> io::Result<bool> {
        self.begins = self.ends;
        self.number += u64::from(self.begins);
        self.bytes.drain(..self.bytes.len() - carried);
        let read = self.source.by_ref().take(limit as u64).read_until(b'\n', &mut self.bytes)?;
        self.ends = read < limit || self.bytes.last() == Some(&b'\n');
        Ok(read > 0)
    }

    /// Leaves the rest of the line out, reading at most `limit` bytes at a time.
    pub(super) fn skip_line(&mut self, limit: usize) -> io::Result<()> {
        while !self.ends {
            self.read_part(limit, 0)?;
        }
        Ok(())
    }
}
