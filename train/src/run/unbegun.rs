//! What a start that fails leaves behind: nothing.

use super::RunFolder;

/// A run that has not begun. Unless it is kept, the files that were made for it go, and its folder if nothing else is there, so
/// that the next start finds the name free.
pub(super) struct Unbegun {
    folder: Option<RunFolder>,
}

impl Unbegun {
    /// The run in `folder`, unless one had begun there before.
    pub fn new(folder: &RunFolder) -> Self {
        Self { folder: (!folder.has_config()).then(|| folder.clone()) }
    }

    /// It has begun: all stays.
    pub fn keep(mut self) {
        self.folder = None;
    }
}

impl Drop for Unbegun {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            folder.discard();
        }
    }
}
