//! Opening what was prepared.

use std::path::Path;

use super::manifest::PreparedManifest;
use super::split::Split;
use crate::prepared_folder::TOKENIZER;
use crate::{DataError, TokenFiles, Tokenizer};

/// The tokenizer in a folder that is prepared, or begun so far that finished shards depend on it; `None` elsewhere.
///
/// # Errors
/// When it, or what says how far the folder is, cannot be read or understood.
pub fn tokenizer_of_shards(folder: &Path) -> Result<Option<Tokenizer>, DataError> {
    match PreparedManifest::read(folder) {
        Ok(manifest) if manifest.has_shards() => Tokenizer::from_file(folder.join(TOKENIZER)).map(Some),
        Ok(_) | Err(DataError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

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
