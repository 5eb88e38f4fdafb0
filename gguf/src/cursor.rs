//! A position in the bytes of a header, from which nothing is read that is not there.

use std::fmt::Arguments;

use crate::GgufFault;

/// Bytes that are still to be read. Every method takes the field's name for the error, which is formatted only then.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, total: bytes.len() }
    }

    /// Offset of the next byte from the beginning of the file.
    pub(crate) fn offset(&self) -> usize {
        self.total - self.rest.len()
    }

    pub(crate) fn bytes(&mut self, count: usize, field: Arguments<'_>) -> Result<&'a [u8], GgufFault> {
        let Some((bytes, rest)) = self.rest.split_at_checked(count) else {
            let (offset, left) = (self.offset(), self.rest.len());
            return Err(GgufFault::Truncated { field: field.to_string(), offset, needed: count, left });
        };
        self.rest = rest;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self, field: Arguments<'_>) -> Result<[u8; N], GgufFault> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N, field)?);
        Ok(array)
    }

    pub(crate) fn u32(&mut self, field: Arguments<'_>) -> Result<u32, GgufFault> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: Arguments<'_>) -> Result<u64, GgufFault> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// Reads how many items follow, each of `least_bytes` or more: no more than the rest of the file can hold.
    pub(crate) fn count(&mut self, least_bytes: usize, field: Arguments<'_>) -> Result<usize, GgufFault> {
        let count = self.u64(field)?;
        let (left, most) = (self.rest.len(), self.rest.len() / least_bytes);
        match usize::try_from(count) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(GgufFault::Count { field: field.to_string(), count, left, most }),
        }
    }

    /// Reads a string: its length as a u64, then UTF-8.
    pub(crate) fn string(&mut self, field: Arguments<'_>) -> Result<&'a str, GgufFault> {
        let length = self.count(1, format_args!("the length of {field}"))?;
        let start = self.offset();
        let bytes = self.bytes(length, field)?;
        std::str::from_utf8(bytes)
            .map_err(|error| GgufFault::NotUtf8 { field: field.to_string(), offset: start + error.valid_up_to() })
    }
}
