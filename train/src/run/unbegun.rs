//! What a start that fails leaves behind.

use std::fs;

use super::RunFolder;
use crate::checkpoint::list;

/// A run that has begun or not: where it took no step, what it has made of its folder goes when this is dropped, so that the
/// next start finds no run there. What somebody else has in the folder stays, and the folder with it.
pub(super) struct Beginning(pub RunFolder);

impl Drop for Beginning {
    fn drop(&mut self) {
        let Self(folder) = self;
        let path = folder.path();
        let has_figures = fs::metadata(path.join(RunFolder::METRICS)).is_ok_and(|found| found.len() > 0);
        let has_weights = folder.has_model() || list(&folder.store()).map_or(true, |found| !found.is_empty());
        if has_figures || has_weights {
            return;
        }
        for name in RunFolder::OF_A_START {
            // A file that was not made cannot be removed.
            let _ = fs::remove_file(path.join(name));
        }
        let _ = fs::remove_dir(path);
    }
}
