//! Where an export is written: beside its place, which it takes when it is whole.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// A folder or a file that is being written. One that is dropped before its end leaves nothing.
pub struct Beside {
    path: PathBuf,
    is_folder: bool,
}

impl Beside {
    /// Where to write what is to stand at `out`.
    ///
    /// # Errors
    /// Something stands there that is not to be replaced.
    pub fn claim(out: &Path, force: bool, is_folder: bool) -> anyhow::Result<Self> {
        if out.file_name().is_none() {
            bail!("--out {}: has no name: name a new {}", out.display(), kind(is_folder));
        }
        if fs::symlink_metadata(out).is_ok() && !is_empty(out) {
            if !force {
                bail!("--out {}: is there already: give another name, or --force to replace it", out.display());
            }
            let is_model = if is_folder { is_published(out) } else { out.is_file() };
            if !is_model {
                bail!(
                    "--out {}: --force replaces a {} of a model alone, and this is none",
                    out.display(),
                    kind(is_folder)
                );
            }
        }
        let path = named_after(out, ".part");
        if is_folder {
            // One that was left by a process that was killed.
            remove(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        if let Some(parent) = out.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|cause| anyhow::anyhow!("{}: {cause}", parent.display()))?;
        }
        // A file has a way of its own to be whole or absent.
        Ok(Self { path: if is_folder { path } else { out.to_owned() }, is_folder })
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// What the system said.
    pub fn finish(mut self, out: &Path) -> anyhow::Result<()> {
        if self.is_folder {
            let old = named_after(out, ".old");
            let rename = |from: &Path, to: &Path| {
                fs::rename(from, to)
                    .map_err(|cause| anyhow::anyhow!("{} cannot be named {}: {cause}", from.display(), to.display()))
            };
            if out.exists() {
                remove(&old).map_err(|cause| anyhow::anyhow!("{}: {cause}", old.display()))?;
                rename(out, &old)?;
            }
            rename(&self.path, out)?;
            remove(&old).map_err(|cause| anyhow::anyhow!("{}: {cause}", old.display()))?;
            self.is_folder = false;
        }
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self.is_folder {
            // Whatever led here is being reported already.
            let _ = remove(&self.path);
        }
    }
}

fn kind(is_folder: bool) -> &'static str {
    if is_folder { "folder" } else { "file" }
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether it is a folder that an export made, or one like it.
fn is_published(path: &Path) -> bool {
    let is_model = ["config.json", "adapter_config.json"].iter().any(|name| path.join(name).exists());
    path.is_dir() && is_model && !path.join("config.toml").exists()
}

fn named_after(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
