//! A run's files in the browser's own file system, as they are in a folder natively.
//!
//! The session writes its checkpoints into memory, at once and whole; here they are carried on, a file after the other. There is
//! no renaming of folders in a browser: a checkpoint's manifest is written last, and one without a manifest is none.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::{Arc, Weak},
};

use crate::{
    platform::{DriveError, Platform},
    run::{NamedFile, Run},
    settings::TEXT,
};

const MANIFEST: &str = "manifest.json";

/// The folder that the browser keeps for this page.
pub struct Drive {
    platform: Rc<dyn Platform>,
    /// The files that are there, with what of the run they hold, which they do not keep alive.
    files: RefCell<BTreeMap<String, Weak<Vec<u8>>>>,
}

impl Drive {
    /// Looks at what is there.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn open(platform: Rc<dyn Platform>) -> Result<Self, DriveError> {
        let files = platform.list().await?.into_iter().map(|name| (name, Weak::new())).collect();
        Ok(Self { platform, files: RefCell::new(files) })
    }

    /// All files that are there.
    ///
    /// # Errors
    /// One cannot be read.
    pub async fn read(&self) -> Result<Vec<NamedFile>, DriveError> {
        let names: Vec<String> = self.files.borrow().keys().cloned().collect();
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            let content = self.platform.read(&name).await?;
            files.push((name, content));
        }
        Ok(files)
    }

    /// The files that are there are those of `run`, which was made of them.
    pub fn adopt(&self, run: &Run) {
        let of_run = |name: &str| run.checkpoints.get(name).as_ref().map(Arc::downgrade).unwrap_or_default();
        self.files.borrow_mut().iter_mut().for_each(|(name, content)| *content = of_run(name));
    }

    /// Writes what of the run is not there yet, and then removes checkpoints that the run has no more.
    ///
    /// # Errors
    /// What cannot be written. A checkpoint that stood before still stands.
    pub async fn keep(&self, run: &Run) -> Result<(), DriveError> {
        for (name, content) in run.small_files() {
            // The text never changes; the log and the configuration may.
            if !(name == TEXT && self.files.borrow().contains_key(&name)) {
                self.write(&name, &content, Weak::new()).await?;
            }
        }
        let names = run.checkpoints.names();
        let folders: BTreeSet<&str> = names.iter().map(|name| top(name)).collect();
        for folder in folders {
            let own: Vec<&String> = names.iter().filter(|name| top(name) == folder).collect();
            if !own.iter().all(|name| self.holds(name, run)) {
                self.remove(folder).await?;
                if let Err(error) = self.write_checkpoint(&own, run).await {
                    // Half a checkpoint only takes room that the next one needs.
                    self.remove(folder).await?;
                    return Err(error);
                }
            }
        }
        let gone = |name: &&String| name.contains('/') && !names.contains(name);
        let gone: BTreeSet<String> =
            self.files.borrow().keys().filter(gone).map(|name| top(name).to_string()).collect();
        for folder in gone {
            self.remove(&folder).await?;
        }
        Ok(())
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Something of it is left.
    pub async fn clear(&self) -> Result<(), DriveError> {
        let first = || self.files.borrow().first_key_value().map(|(name, _)| top(name).to_string());
        while let Some(name) = first() {
            self.remove(&name).await?;
        }
        Ok(())
    }

    /// Whether a file of the run is there as the run has it.
    fn holds(&self, name: &str, run: &Run) -> bool {
        match (self.files.borrow().get(name), run.checkpoints.get(name)) {
            (Some(there), Some(here)) => there.ptr_eq(&Arc::downgrade(&here)),
            _ => false,
        }
    }

    /// Writes the files of a checkpoint, the manifest last.
    async fn write_checkpoint(&self, names: &[&String], run: &Run) -> Result<(), DriveError> {
        let (manifests, others): (Vec<&str>, Vec<&str>) =
            names.iter().map(|name| name.as_str()).partition(|name| name.ends_with(MANIFEST));
        for name in others.into_iter().chain(manifests) {
            if let Some(content) = run.checkpoints.get(name) {
                self.write(name, &content, Arc::downgrade(&content)).await?;
            }
        }
        Ok(())
    }

    async fn write(&self, name: &str, content: &[u8], of_run: Weak<Vec<u8>>) -> Result<(), DriveError> {
        self.platform.write(name, content).await?;
        self.files.borrow_mut().insert(name.into(), of_run);
        Ok(())
    }

    /// Removes a file or a folder; of a folder, the manifest first.
    async fn remove(&self, name: &str) -> Result<(), DriveError> {
        let manifest = format!("{name}/{MANIFEST}");
        if self.files.borrow().contains_key(&manifest) {
            self.platform.remove(&manifest).await?;
        }
        self.platform.remove(name).await?;
        self.files.borrow_mut().retain(|other, _| other != name && top(other) != name);
        Ok(())
    }
}

/// The folder of a file's name, or the name itself.
fn top(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}
