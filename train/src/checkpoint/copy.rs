//! A checkpoint in another store: from memory to a folder, and back.

use std::sync::Arc;

use super::{error::CheckpointError, names, read::Checkpoint, store::Store, write::NewCheckpoint};

/// Bytes that are read at once.
const PIECE: usize = 1 << 18;

impl Checkpoint {
    /// Writes the same bytes into another store, as safely as a new checkpoint is written; one of the same step that is
    /// there is replaced.
    ///
    /// # Errors
    /// A file that cannot be read or written, or that was changed since the checkpoint was opened.
    pub fn copy_to(&self, store: &Arc<dyn Store>) -> Result<Self, CheckpointError> {
        let new = NewCheckpoint::create(store, self.step())?;
        let mut piece = vec![0; PIECE];
        for (file, entry) in &self.manifest().files {
            let (from, name) = (&**self.store(), names::file(self.name(), file));
            let (mut content, _) = from.open(&name).map_err(CheckpointError::io("opening", from, &name))?;
            let mut copy = new.begin(file, entry.bytes)?;
            loop {
                let length = content.read(&mut piece).map_err(CheckpointError::io("reading", from, &name))?;
                if length == 0 {
                    break;
                }
                copy.write(&piece[..length])?;
            }
            if copy.finish()? != *entry {
                return Err(self.broken(file, "was changed since it was opened"));
            }
        }
        let name = new.finish_as(self.manifest())?;
        Self::open(store, &name)
    }
}
