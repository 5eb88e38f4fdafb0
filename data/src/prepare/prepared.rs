//! Opening what was prepared.

use std::path::Path;

use super::manifest::PreparedManifest;
use super::split::Split;
use crate::{DataError, TokenFiles};

impl TokenFiles {
    /// Opens the shards of one part of a prepared folder, which its `prepare.json` counts.
    ///
    /// # Errors
    /// When the folder was not prepared, or not to the end, the part has no shards, or as [`TokenFiles::open`].
    pub fn open_prepared(folder: &Path, split: Split, tokenizer_hash: Option<[u8; 32]>) -> Result<Self, DataError> {
        let manifest = PreparedManifest::read(folder)?;
        if !manifest.finished {
            return Err(DataError::Unfinished { path: folder.into() });
        }
        let shards = manifest.open_shards(folder, split, tokenizer_hash)?;
        shards.ok_or_else(|| DataError::NoShards { path: folder.into(), split: split.name() })
    }
}
