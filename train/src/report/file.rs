//! Files that are whole or not there at all.

use std::path::Path;

use super::ReportError;
use crate::files;

/// Writes `text` so that a reader sees the old file or the new one, and never half of one.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), ReportError> {
    files::write_whole(path, text.as_bytes()).map_err(ReportError::file("written", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_file() {
        let error = write_whole(Path::new("/no/such/folder/a.txt"), "").unwrap_err().to_string();
        assert!(error.starts_with("/no/such/folder/a.txt cannot be written: "), "{error}");
    }
}
