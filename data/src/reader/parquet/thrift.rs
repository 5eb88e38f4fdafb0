//! Structures of Thrift's compact protocol, of which a Parquet file's footer and page headers are written. The crate `parquet`
//! reads them; this only makes sure, before it does, that what they hold takes no more than the bytes that are there, and that
//! fields have the form that the crate takes them to have, whatever the file says.

use super::shapes::{Fields, Shape};

/// Deeper structures are no footer of anything.
const MAX_DEPTH: usize = 32;

/// A structure whose bytes are all there.
pub(super) struct Structure {
    /// Bytes it takes.
    pub(super) length: usize,
    /// Its fields that are whole numbers, by their id.
    numbers: Vec<(i64, i64)>,
}

impl Structure {
    /// The one with these fields at the start of `bytes`; it may have others.
    pub(super) fn of(bytes: &[u8], fields: Fields) -> Result<Self, Unsound> {
        let mut walk = Walk { bytes, at: 0 };
        let mut numbers = Vec::new();
        walk.structure(0, fields, &mut |id, number| numbers.push((id, number)))?;
        Ok(Self { length: walk.at, numbers })
    }

    pub(super) fn number(&self, id: i64) -> Option<i64> {
        self.numbers.iter().rev().find(|(each, _)| *each == id).map(|&(_, number)| number)
    }
}

/// Why something is no structure.
#[derive(Debug, PartialEq)]
pub(super) enum Unsound {
    /// It goes on behind the last byte.
    Cut,
    /// It says something that no file says.
    Damaged,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn structure(&mut self, depth: usize, fields: Fields, number: &mut dyn FnMut(i64, i64)) -> Result<(), Unsound> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            let kind = head & 0x0f;
            id = if head >> 4 == 0 { zigzag(self.varint()?) } else { id.wrapping_add((head >> 4).into()) };
            let shape = fields.iter().find(|(each, _)| *each == id).map(|(_, shape)| shape);
            match kind {
                1 | 2 if matches!(shape, None | Some(Shape::Flag)) => {}
                4..=6 if matches!(shape, None | Some(Shape::Number)) => number(id, zigzag(self.varint()?)),
                _ => self.value(kind, shape, depth)?,
            }
        }
    }

    /// A value of a field or of a list; one of an unknown `shape` may be anything.
    fn value(&mut self, kind: u8, shape: Option<&'static Shape>, depth: usize) -> Result<(), Unsound> {
        if depth == MAX_DEPTH {
            return Err(Unsound::Damaged);
        }
        match (kind, shape) {
            (3, None | Some(Shape::Byte)) => self.skip(1),
            (4..=6, None | Some(Shape::Number)) => self.varint().map(drop),
            (7, None | Some(Shape::Double)) => self.skip(8),
            (8, None | Some(Shape::Bytes)) => self.varint().and_then(|length| self.skip(length)),
            (9 | 10, None) => self.list(None, depth),
            (9, Some(Shape::List(of))) => self.list(Some(*of), depth),
            (12, None) => self.structure(depth + 1, &[], &mut |_, _| {}),
            (12, Some(Shape::Structure(fields))) => self.structure(depth + 1, fields, &mut |_, _| {}),
            (13, None) => self.skip(16),
            // Maps, which Parquet has none of, what is no kind, and what is not of its field's.
            _ => Err(Unsound::Damaged),
        }
    }

    /// A list's elements take a byte each at least, so that as many as it says must be there. Parquet has no list of truth values
    /// but in indexes, which are not read.
    fn list(&mut self, of: Option<&'static Shape>, depth: usize) -> Result<(), Unsound> {
        let head = self.byte()?;
        let (short, kind) = (head >> 4, head & 0x0f);
        let elements = if short == 15 { self.varint()? } else { short.into() };
        if elements > 0 && kind < 3 {
            return Err(Unsound::Damaged);
        }
        if elements > (self.bytes.len() - self.at) as u64 {
            return Err(Unsound::Cut);
        }
        (0..elements).try_for_each(|_| self.value(kind, of, depth + 1))
    }

    fn byte(&mut self) -> Result<u8, Unsound> {
        let byte = *self.bytes.get(self.at).ok_or(Unsound::Cut)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Unsound> {
        let (number, length) = varint(&self.bytes[self.at..])?;
        self.at += length;
        Ok(number)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Unsound> {
        if bytes > (self.bytes.len() - self.at) as u64 {
            return Err(Unsound::Cut);
        }
        self.at += bytes as usize;
        Ok(())
    }
}

/// The number at the start of `bytes`, seven bits a byte with the lowest first, and how many bytes it takes.
pub(super) fn varint(bytes: &[u8]) -> Result<(u64, usize), Unsound> {
    let mut number = 0u64;
    for (at, &byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok((number, at + 1));
        }
    }
    Err(if bytes.len() < 10 { Unsound::Cut } else { Unsound::Damaged })
}

fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
