//! What stands in a prepared folder beside its shards, and who may write there.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::DataError;
use crate::new_file::unwritable;

/// With what the folder was begun, and how far it is.
pub(crate) const MANIFEST: &str = "prepare.json";
/// The tokenizer of the shards.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// Held by the process that prepares.
const LOCK: &str = ".lock";

/// Whether `folder` is one that a preparation has begun.
pub(crate) fn is_prepared(folder: &Path) -> bool {
    [MANIFEST, "prepare.json.part"].iter().any(|name| folder.join(name).exists())
}

/// Makes `folder` where there is none, and sure that no other process prepares it for as long as the file that is returned
/// is open.
///
/// # Errors
/// [`DataError::FolderBusy`] where one does, and when the folder cannot be written.
pub(crate) fn lock(folder: &Path) -> Result<File, DataError> {
    fs::create_dir_all(folder).map_err(unwritable(folder))?;
    let path = folder.join(LOCK);
    let file = File::create(&path).map_err(unwritable(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DataError::FolderBusy { path: folder.into() }),
        Err(TryLockError::Error(cause)) => Err(DataError::Unwritable { path, cause }),
    }
}
