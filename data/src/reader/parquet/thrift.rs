//! Structures of Thrift's compact protocol, of which a Parquet file's footer and page headers are written. The crate `parquet`
//! reads them; this only makes sure, before it does, that what they hold takes no more than the bytes that are there.

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
    /// The one at the start of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, Unsound> {
        let mut walk = Walk { bytes, at: 0 };
        let mut numbers = Vec::new();
        walk.structure(0, &mut |id, number| numbers.push((id, number)))?;
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
    fn structure(&mut self, depth: usize, number: &mut dyn FnMut(i64, i64)) -> Result<(), Unsound> {
        let mut id = 0i64;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            let kind = head & 0x0f;
            id = if head >> 4 == 0 { zigzag(self.varint()?) } else { id.wrapping_add((head >> 4).into()) };
            match kind {
                1 | 2 => {}
                4..=6 => number(id, zigzag(self.varint()?)),
                _ => self.value(kind, depth)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<(), Unsound> {
        if depth == MAX_DEPTH {
            return Err(Unsound::Damaged);
        }
        match kind {
            3 => self.skip(1),
            4..=6 => self.varint().map(drop),
            7 => self.skip(8),
            8 => self.varint().and_then(|length| self.skip(length)),
            9 | 10 => self.list(depth),
            12 => self.structure(depth + 1, &mut |_, _| {}),
            13 => self.skip(16),
            // Maps, which Parquet has none of, and what is no kind.
            _ => Err(Unsound::Damaged),
        }
    }

    /// A list's elements take a byte each at least, so that as many as it says must be there. Parquet has no list of truth values
    /// but in indexes, which are not read.
    fn list(&mut self, depth: usize) -> Result<(), Unsound> {
        let head = self.byte()?;
        let (short, kind) = (head >> 4, head & 0x0f);
        let elements = if short == 15 { self.varint()? } else { short.into() };
        if elements > 0 && kind < 3 {
            return Err(Unsound::Damaged);
        }
        if elements > (self.bytes.len() - self.at) as u64 {
            return Err(Unsound::Cut);
        }
        (0..elements).try_for_each(|_| self.value(kind, depth + 1))
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
