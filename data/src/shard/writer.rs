//! Writing a shard.

use std::path::Path;

use super::header::{HEADER_BYTES, ShardHeader};
use super::layout::width_for;
use super::mask::Mask;
use crate::DataError;
use crate::new_file::NewFile;

/// Where the ids of a shard come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShardOrigin {
    pub tokenizer_hash: [u8; 32],
    /// Ids run from 0 to one below this.
    pub vocab_size: u64,
}

/// A shard that is being written; it is a file under its name once it has been finished, see [`NewFile`]. Tokens go
/// straight to the disk, document ends (8 bytes each) and the mask (a bit a token, where some are not trained) are held until
/// the end.
pub(crate) struct ShardWriter {
    file: NewFile,
    origin: ShardOrigin,
    width: u32,
    tokens: u64,
    ends: Vec<u64>,
    /// None as long as every token is trained.
    mask: Option<Mask>,
    content: blake3::Hasher,
    /// The bytes of what is appended, kept for its allocation.
    bytes: Vec<u8>,
}

impl ShardWriter {
    pub(crate) fn create(path: &Path, origin: ShardOrigin) -> Result<Self, DataError> {
        let mut file = NewFile::create(path)?;
        // No magic: nothing that is left behind is taken for a shard.
        file.write(&[0; HEADER_BYTES])?;
        let width = width_for(origin.vocab_size);
        let (ends, content, bytes) = (Vec::new(), blake3::Hasher::new(), Vec::new());
        Ok(Self { file, origin, width, tokens: 0, ends, mask: None, content, bytes })
    }

    /// Appends tokens, of which `trained` says which are trained: all, where it is none.
    pub(crate) fn append(&mut self, ids: &[u32], trained: Option<&[bool]>) -> Result<(), DataError> {
        let vocab_size = self.origin.vocab_size;
        if let Some(offset) = ids.iter().position(|&id| u64::from(id) >= vocab_size) {
            let (position, id) = (self.tokens + offset as u64, ids[offset]);
            return Err(DataError::IdOutsideVocabulary { path: self.file.path().into(), position, id, vocab_size });
        }
        self.bytes.clear();
        match self.width {
            2 => self.bytes.extend(ids.iter().flat_map(|&id| (id as u16).to_le_bytes())),
            _ => self.bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes())),
        }
        self.mark(ids.len(), trained);
        self.tokens += ids.len() as u64;
        self.content.update(&self.bytes);
        self.file.write(&self.bytes)
    }

    fn mark(&mut self, tokens: usize, trained: Option<&[bool]>) {
        let is_masked = trained.is_some_and(|trained| trained.contains(&false));
        if self.mask.is_none() && !is_masked {
            return;
        }
        let mask = self.mask.get_or_insert_with(|| Mask::of_trained(self.tokens));
        (0..tokens).for_each(|index| mask.push(trained.is_none_or(|trained| trained[index])));
    }

    /// Ends the document that the last token belongs to. A document of no tokens is none.
    pub(crate) fn end_document(&mut self) {
        if self.tokens > self.ends.last().copied().unwrap_or(0) {
            self.ends.push(self.tokens);
        }
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(crate) fn documents(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Tokens that are not trained.
    pub(crate) fn untrained(&self) -> u64 {
        self.mask.as_ref().map_or(0, Mask::untrained)
    }

    /// Writes what was known last and gives the file its name.
    pub(crate) fn finish(mut self) -> Result<(), DataError> {
        for ends in self.ends.chunks(1 << 12) {
            self.bytes.clear();
            self.bytes.extend(ends.iter().flat_map(|end| end.to_le_bytes()));
            self.content.update(&self.bytes);
            self.file.write(&self.bytes)?;
        }
        if let Some(mask) = &self.mask {
            self.content.update(mask.bytes());
            self.file.write(mask.bytes())?;
        }
        let header = ShardHeader {
            width: self.width,
            tokens: self.tokens,
            documents: self.documents(),
            vocab_size: self.origin.vocab_size,
            masked: self.mask.is_some(),
            tokenizer_hash: self.origin.tokenizer_hash,
            content_hash: self.content.finalize().into(),
        };
        self.file.overwrite_start(&header.to_bytes())?;
        self.file.finish()
    }
}
