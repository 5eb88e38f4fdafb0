//! One file of tokens, mapped into memory.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::bin;
use super::header::{MAGIC, ShardHeader};
use super::layout::Layout;
use super::mask;
use crate::DataError;

/// Tokens that are looked at in one go when all of a file are.
const BLOCK: usize = 1 << 14;

/// Pieces of a `.bin` file, and their bytes, that stand for all of it: 16 MiB.
const PIECES: usize = 256;
const PIECE: usize = 1 << 16;

/// A shard or a `.bin` file. Its layout has been checked against its size, so that offsets from it lie inside the map;
/// its tokens and document ends are checked where they are used.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    map: Mmap,
    layout: Layout,
    hashes: Option<Hashes>,
}

/// What a shard says of its origin and its content.
#[derive(Debug)]
struct Hashes {
    tokenizer: [u8; 32],
    content: [u8; 32],
}

impl TokenFile {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let map = map(path)?;
        let is_named = |extension: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
        let (layout, hashes) = if map.starts_with(&MAGIC) || is_named("shard") {
            let header = ShardHeader::parse(&map, path)?;
            (header.layout(), Some(Hashes { tokenizer: header.tokenizer_hash, content: header.content_hash }))
        } else if is_named("bin") {
            (bin::layout_of(&map, path)?, None)
        } else {
            return Err(DataError::NotTokens { path: path.into() });
        };
        let file = Self { path: path.into(), map, layout, hashes };
        if let Some(last) = file.documents().checked_sub(1) {
            file.end_after(last, 0)?;
        }
        Ok(file)
    }

    /// Number of tokens.
    pub(super) fn len(&self) -> usize {
        self.layout.tokens as usize // at most the file's size
    }

    /// Number of document ends; a document may begin in a file before and end in one after.
    pub(super) fn documents(&self) -> usize {
        self.layout.documents as usize // at most the file's size
    }

    /// Ids run from 0 to one below this; of a `.bin` file, which does not say, the most that its width allows.
    pub(super) fn vocab_size(&self) -> u64 {
        self.layout.vocab_size
    }

    /// Which tokenizer made the ids; a `.bin` file does not say.
    pub(super) fn tokenizer_hash(&self) -> Option<[u8; 32]> {
        self.hashes.as_ref().map(|hashes| hashes.tokenizer)
    }

    /// What tells the content from another: a shard says it; of a `.bin` file, which may have many gigabytes, the length
    /// and pieces all over it.
    pub(super) fn content_hash(&self) -> [u8; 32] {
        if let Some(hashes) = &self.hashes {
            return hashes.content;
        }
        let mut content = blake3::Hasher::new();
        content.update(&(self.map.len() as u64).to_le_bytes());
        for piece in self.map.chunks((self.map.len() / PIECES).max(PIECE)) {
            content.update(&piece[..piece.len().min(PIECE)]);
        }
        content.finalize().into()
    }

    /// Copies the tokens from `start` on, all of which must be inside the file. Ids must be below `limit`, which is at
    /// most 2^31: what is handed out can go to a device.
    pub(super) fn copy(&self, start: usize, out: &mut [i32], limit: u64) -> Result<(), DataError> {
        let width = self.layout.width as usize;
        let at = self.layout.header_bytes + start * width;
        let bytes = &self.map[at..at + out.len() * width];
        let highest = match width {
            2 => widen(bytes.as_chunks().0, out, |token| u16::from_le_bytes(token).into()),
            _ => widen(bytes.as_chunks().0, out, u32::from_le_bytes),
        };
        if u64::from(highest) < limit {
            return Ok(());
        }
        let is_outside = |id: &i32| u64::from(*id as u32) >= limit;
        let offset = out.iter().position(is_outside).expect("the highest id is one of them");
        let (position, id) = ((start + offset) as u64, out[offset] as u32);
        Err(DataError::IdOutsideVocabulary { path: self.path.clone(), position, id, vocab_size: limit })
    }

    /// Whether some tokens may not be trained.
    pub(super) fn is_masked(&self) -> bool {
        self.layout.masked
    }

    /// Which tokens are trained from `start` on, all of which must be inside the file.
    pub(super) fn trained(&self, start: usize, out: &mut [bool]) {
        match self.layout.masked {
            true => mask::read(&self.map[self.ends_at() + self.documents() * size_of::<u64>()..], start, out),
            false => out.fill(true),
        }
    }

    /// End of the document that contains the token at `position`, if it is in this file.
    pub(super) fn document_end(&self, position: usize) -> Result<Option<usize>, DataError> {
        let (mut low, mut high) = (0, self.documents());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.raw_end(middle) <= position as u64 { low = middle + 1 } else { high = middle }
        }
        if low == self.documents() { Ok(None) } else { self.end_after(low, position).map(Some) }
    }

    /// Document end number `index`, which must be after `position` and inside the file's tokens.
    pub(super) fn end_after(&self, index: usize, position: usize) -> Result<usize, DataError> {
        let end = self.raw_end(index);
        if end > position as u64 && end <= self.layout.tokens {
            Ok(end as usize)
        } else {
            Err(DataError::FileDocumentEnds { path: self.path.clone(), document: index, end })
        }
    }

    /// Reads the whole file: its content is what was written, document ends rise, ids are below `limit`.
    pub(super) fn verify(&self, limit: u64) -> Result<(), DataError> {
        if let Some(hashes) = &self.hashes
            && *blake3::hash(&self.map[self.layout.header_bytes..]).as_bytes() != hashes.content
        {
            return Err(DataError::ContentChanged { path: self.path.clone() });
        }
        (0..self.documents()).try_fold(0, |previous, index| self.end_after(index, previous))?;
        let mut block = [0; BLOCK];
        (0..self.len()).step_by(BLOCK).try_for_each(|start| {
            let tokens = BLOCK.min(self.len() - start);
            self.copy(start, &mut block[..tokens], limit)
        })
    }

    fn raw_end(&self, index: usize) -> u64 {
        let ends = self.map[self.ends_at()..].as_chunks().0;
        u64::from_le_bytes(ends[index])
    }

    /// Where the document ends begin.
    fn ends_at(&self) -> usize {
        self.layout.header_bytes + self.len() * self.layout.width as usize
    }
}

/// Widens tokens into `out`; their highest id.
fn widen<const N: usize>(tokens: &[[u8; N]], out: &mut [i32], read: impl Fn([u8; N]) -> u32) -> u32 {
    let mut highest = 0;
    for (token, out) in tokens.iter().zip(out) {
        let id = read(*token);
        highest = highest.max(id);
        *out = id as i32;
    }
    highest
}

fn map(path: &Path) -> Result<Mmap, DataError> {
    let unreadable = |cause: std::io::Error| match cause.kind() {
        ErrorKind::NotFound => DataError::Missing { path: path.into() },
        _ => DataError::Unreadable { path: path.into(), cause },
    };
    let about = fs::metadata(path).map_err(unreadable)?;
    if about.is_dir() {
        return Err(DataError::Directory { path: path.into() });
    }
    if about.len() == 0 {
        return Err(DataError::NoTokens { path: path.into() });
    }
    let file = File::open(path).map_err(unreadable)?;
    // SAFETY: the map is a `&[u8]` and so must not change while it is held. Shards are written once, beside their
    // place, and renamed: Hearth never writes to one that has its name, and a rename over it leaves the mapped file as
    // it is. Another program that writes into the file can change tokens, which are checked again at each copy; one
    // that shortens it ends the process with a bus error, as it would for every program that maps files.
    unsafe { Mmap::map(&file) }.map_err(unreadable)
}
