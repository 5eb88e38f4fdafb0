//! The first bytes of a shard.

use std::path::Path;

use super::layout::Layout;
use crate::DataError;

/// What a shard begins with.
pub(super) const MAGIC: [u8; 8] = *b"HEARTHTK";
/// Every token is trained.
const PLAIN: u32 = 1;
/// A mask says which tokens are trained.
const MASKED: u32 = 2;
/// Bytes before the first token.
pub(super) const HEADER_BYTES: usize = 112;
/// Bytes of the header that its checksum covers.
const CHECKED_BYTES: usize = 104;

/// A shard's header; the table in the module above says where each field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShardHeader {
    /// Bytes of a token, 2 or 4.
    pub width: u32,
    pub tokens: u64,
    pub documents: u64,
    /// Ids run from 0 to one below this.
    pub vocab_size: u64,
    /// Whether a bit for each token says if it is trained.
    pub masked: bool,
    pub tokenizer_hash: [u8; 32],
    /// BLAKE3 of everything after the header.
    pub content_hash: [u8; 32],
}

impl ShardHeader {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        let version = if self.masked { MASKED } else { PLAIN };
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.width.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.tokens.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.documents.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.vocab_size.to_le_bytes());
        bytes[40..72].copy_from_slice(&self.tokenizer_hash);
        bytes[72..CHECKED_BYTES].copy_from_slice(&self.content_hash);
        let checksum = checksum_of(&bytes);
        bytes[CHECKED_BYTES..].copy_from_slice(&checksum);
        bytes
    }

    /// Reads the header of the shard at `path`, whose bytes are `file`. Fields are checked in their order, and the
    /// checksum last, so that an error names the field where it can.
    pub(super) fn parse(file: &[u8], path: &Path) -> Result<Self, DataError> {
        let Some(bytes) = file.first_chunk::<HEADER_BYTES>() else {
            return Err(DataError::HeaderCut { path: path.into(), bytes: file.len(), needed: HEADER_BYTES });
        };
        if bytes[..8] != MAGIC {
            return Err(DataError::NotTokens { path: path.into() });
        }
        let version = u32::from_le_bytes(field(bytes, 8));
        if ![PLAIN, MASKED].contains(&version) {
            return Err(DataError::ShardVersion { path: path.into(), version, known: "versions 1 and 2" });
        }
        let header = Self {
            width: u32::from_le_bytes(field(bytes, 12)),
            tokens: u64::from_le_bytes(field(bytes, 16)),
            documents: u64::from_le_bytes(field(bytes, 24)),
            vocab_size: u64::from_le_bytes(field(bytes, 32)),
            masked: version == MASKED,
            tokenizer_hash: field(bytes, 40),
            content_hash: field(bytes, 72),
        };
        header.layout().check(file.len(), path)?;
        if field(bytes, CHECKED_BYTES) != checksum_of(bytes) {
            return Err(DataError::HeaderChanged { path: path.into() });
        }
        Ok(header)
    }

    /// Where everything stands in the file.
    pub(super) fn layout(&self) -> Layout {
        Layout {
            header_bytes: HEADER_BYTES,
            width: self.width,
            tokens: self.tokens,
            documents: self.documents,
            vocab_size: self.vocab_size,
            masked: self.masked,
        }
    }
}

/// The `N` bytes at `offset`, which lie inside the header.
fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], offset: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[offset..offset + N]);
    field
}

fn checksum_of(bytes: &[u8; HEADER_BYTES]) -> [u8; 8] {
    let mut checksum = [0; 8];
    checksum.copy_from_slice(&blake3::hash(&bytes[..CHECKED_BYTES]).as_bytes()[..8]);
    checksum
}
