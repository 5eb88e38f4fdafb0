//! Files that are whole or not there at all.

use std::{fs, path::Path};

use super::ReportError;

/// Writes `text` beside `path` (`.tmp`) and renames it, so that a reader never sees half a file.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), ReportError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    fs::write(&beside, text).map_err(ReportError::file("written", &beside))?;
    fs::rename(&beside, path).map_err(ReportError::file("replaced", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_whole(&path, "one").unwrap();
        write_whole(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_file() {
        let error = write_whole(Path::new("/no/such/folder/a.txt"), "").unwrap_err().to_string();
        assert!(error.starts_with("/no/such/folder/a.txt.tmp cannot be written: "), "{error}");
    }
}
