//! A JSON array, an element at a time.

use std::io::{self, BufRead};

use super::records::{MAX_RECORD_BYTES, RecordFault, Records};
use crate::reader::fault::{FaultKind, FaultPlace};

/// The elements of a JSON array. Only where each ends is found here; what it is, its reader sees.
pub(super) struct Elements {
    source: Box<dyn BufRead + Send>,
    /// The element, or its beginning where it is too long to be held.
    element: Vec<u8>,
    /// Number of the element, from 1.
    number: u64,
    /// Whether the array has ended.
    ended: bool,
}

impl Elements {
    /// Those of the array that `source` begins with.
    pub(super) fn of(source: Box<dyn BufRead + Send>) -> Self {
        Self { source, element: Vec::new(), number: 0, ended: false }
    }

    /// Reads on to the end of the element. Whether it is held whole; nothing where the source ends before.
    fn read_element(&mut self) -> io::Result<Option<bool>> {
        self.element.clear();
        let (mut nesting, mut whole) = (Nesting::default(), true);
        loop {
            let bytes = self.source.fill_buf()?;
            if bytes.is_empty() {
                return Ok(None);
            }
            let end = nesting.end_of_element(bytes);
            let of_element = &bytes[..end.unwrap_or(bytes.len())];
            whole &= self.element.len() + of_element.len() <= MAX_RECORD_BYTES;
            if whole {
                self.element.extend_from_slice(of_element);
            }
            let used = of_element.len() + usize::from(end.is_some());
            self.ended = end.is_some_and(|end| bytes[end] == b']');
            self.source.consume(used);
            if end.is_some() {
                return Ok(Some(whole));
            }
        }
    }

    /// Whether only blanks are left behind the array.
    fn rest_is_blank(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.source.fill_buf()?;
            if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_whitespace) {
                return Ok(bytes.is_empty());
            }
            let blanks = bytes.len();
            self.source.consume(blanks);
        }
    }
}

impl Records for Elements {
    fn advance(&mut self) -> Result<bool, RecordFault> {
        let unreadable = |error: io::Error| RecordFault::Source(FaultKind::Unreadable, error.to_string());
        if self.number == 0 {
            self.source.skip_until(b'[').map_err(unreadable)?;
        }
        if self.ended {
            return match self.rest_is_blank().map_err(unreadable)? {
                true => Ok(false),
                false => {
                    Err(RecordFault::Source(FaultKind::BrokenJson, "more follows the end of the array".to_owned()))
                }
            };
        }
        self.number += 1;
        match self.read_element().map_err(unreadable)? {
            Some(true) => Ok(true),
            Some(false) => {
                let reason = format!("the element has more than {MAX_RECORD_BYTES} bytes");
                Err(RecordFault::Record(FaultKind::LineTooLong, reason))
            }
            None => {
                let reason = "the array does not end: the file was cut short".to_owned();
                Err(RecordFault::Source(FaultKind::Unreadable, reason))
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.element
    }

    fn place(&self) -> FaultPlace {
        FaultPlace::Element(self.number)
    }
}

/// How far inside of an element the bytes read so far lead.
#[derive(Default)]
struct Nesting {
    /// Brackets of either kind that are open. One too many that closes is a fault of the element, which its reader sees.
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Nesting {
    /// Where among the next `bytes` the comma or the bracket is that ends the element.
    fn end_of_element(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b',' | b']' if self.depth == 0 => return Some(at),
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}
