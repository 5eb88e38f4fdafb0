//! Files that are whole or absent, also after a loss of power.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Writes `content` beside `path`, as `NAME.tmp`, brings it to the disk, and gives it its name, over an older file of that
/// name; then the name is on the disk, too. A reader sees the old file or the new one.
///
/// # Errors
/// What the system said; the old file is as it was, and nothing stands beside it.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".tmp");
    let beside = Path::new(&beside);
    let written = File::create(beside)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(beside, path));
    if written.is_err() {
        // What led here is being reported; a file that was not made cannot be removed.
        let _ = fs::remove_file(beside);
    }
    written?;
    sync_folder_of(path)
}

/// Brings the name of the file at `path` to the disk.
///
/// # Errors
/// What the system said.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync_folder(match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    })
}

/// Brings the names in `folder` to the disk: a new name lasts only then. Elsewhere than on Unix a folder cannot be
/// synchronized, and nothing happens.
///
/// # Errors
/// What the system said.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn replaces_and_leaves_nothing_beside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(folder.path().join("config.toml.tmp"), "left by a killed process, and longer").unwrap();
        for content in ["one", "the second"] {
            write_whole(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(names(folder.path()), ["config.toml"]);
        }
    }

    /// A name that a folder has cannot be taken: the content was written by then, and goes again.
    #[test]
    fn a_failure_leaves_what_stood() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "stays").unwrap();
        assert!(write_whole(&path, b"new").is_err());
        assert_eq!(names(folder.path()), ["taken"]);
        assert_eq!(fs::read_to_string(path.join("inside")).unwrap(), "stays");
        assert_eq!(write_whole(&folder.path().join("no/a"), b"").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
