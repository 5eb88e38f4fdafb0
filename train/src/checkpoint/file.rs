//! A file of a checkpoint, opened.

use std::{
    fs::{self, File},
    path::Path,
};

use super::CheckpointError;

/// Opens a regular file, which is what `action` says; also its size in bytes. A link could lead out of the folder and a pipe would never end, so
/// neither is followed.
pub(super) fn open_regular(action: &'static str, path: &Path) -> Result<(File, u64), CheckpointError> {
    let io = || CheckpointError::io(action, path);
    if !fs::symlink_metadata(path).map_err(io())?.is_file() {
        return Err(CheckpointError::broken(path, "is a link, a folder or a device, and no file"));
    }
    let file = File::open(path).map_err(io())?;
    let bytes = file.metadata().map_err(io())?.len();
    Ok((file, bytes))
}
