//! Room on the disk for what a run comes to.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

const NAME: &str = ".reserve";

/// A file that takes as much of the disk as the trained model will, so that whatever fills it up meanwhile, the model can be
/// written. It goes when this is dropped.
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// Takes `bytes` of the disk of `folder`; where the system has no way to, none.
    ///
    /// # Errors
    /// The disk has not that much room, or the file cannot be made.
    pub fn take(folder: &Path, bytes: u64) -> io::Result<Self> {
        // Made first: what is dropped is removed, also where the disk has no room.
        let reserve = Self { path: folder.join(NAME) };
        allocate(&File::create(&reserve.path)?, bytes)?;
        Ok(reserve)
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // One that is left is emptied by the next run in this folder.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(target_os = "linux")]
fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    // A file system may hand out all that it has before it finds that this is too little.
    // SAFETY: the numbers are zero, and are written for a file that is open.
    let free = unsafe {
        let mut found: libc::statvfs64 = std::mem::zeroed();
        (libc::fstatvfs64(file.as_raw_fd(), &mut found) == 0).then(|| found.f_bavail.saturating_mul(found.f_frsize))
    };
    if free.is_some_and(|free| free < bytes) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let bytes = libc::off64_t::try_from(bytes).map_err(io::Error::other)?;
    // SAFETY: a call of the system on a file that is open for as long as it takes.
    if unsafe { libc::fallocate64(file.as_raw_fd(), 0, 0, bytes) } == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.kind() == io::ErrorKind::StorageFull => Err(error),
        // Not every file system can.
        _ => Ok(()),
    }
}

#[cfg(not(target_os = "linux"))]
fn allocate(_file: &File, _bytes: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_for_as_long_as_it_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        let reserve = Reserve::take(folder.path(), 1 << 20).unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(file.metadata().unwrap().len(), 1 << 20);
        }
        drop(reserve);
        assert!(!file.exists());
        if cfg!(target_os = "linux") {
            let refused = Reserve::take(folder.path(), 1 << 50).map(drop).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        }
    }
}
