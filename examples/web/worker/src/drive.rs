//! A run's files in the browser's own file system, as they are in a folder natively.
//!
//! The session writes its checkpoints into memory, at once and whole; here they are carried on, a file after the other. There is
//! no renaming of folders in a browser: a checkpoint's manifest is written last, and one without a manifest is none.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
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
    /// The files that are there, with what of the run they hold.
    files: BTreeMap<String, Option<Arc<Vec<u8>>>>,
}

impl Drive {
    /// Looks at what is there.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn open(platform: Rc<dyn Platform>) -> Result<Self, DriveError> {
        let files = platform.list().await?.into_iter().map(|name| (name, None)).collect();
        Ok(Self { platform, files })
    }

    /// All files that are there.
    ///
    /// # Errors
    /// One cannot be read.
    pub async fn read(&self) -> Result<Vec<NamedFile>, DriveError> {
        let mut files = Vec::with_capacity(self.files.len());
        for name in self.files.keys() {
            files.push((name.clone(), self.platform.read(name).await?));
        }
        Ok(files)
    }

    /// The files that are there are those of `run`, which was made of them.
    pub fn adopt(&mut self, run: &Run) {
        for (name, content) in &mut self.files {
            *content = run.checkpoints.get(name);
        }
    }

    /// Writes what of the run is not there yet, and then removes checkpoints that the run has no more.
    ///
    /// # Errors
    /// What cannot be written. A checkpoint that stood before still stands.
    pub async fn keep(&mut self, run: &Run) -> Result<(), DriveError> {
        for (name, content) in run.small_files() {
            // The text never changes; the log and the configuration may.
            if !(name == TEXT && self.files.contains_key(&name)) {
                self.write(&name, &content, None).await?;
            }
        }
        let names = run.checkpoints.names();
        let folders: BTreeSet<&str> = names.iter().filter_map(|name| name.split('/').next()).collect();
        for folder in folders {
            let own: Vec<&String> = names.iter().filter(|name| name.split('/').next() == Some(folder)).collect();
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
            self.files.keys().filter(gone).filter_map(|name| Some(name.split_once('/')?.0.into())).collect();
        for folder in gone {
            self.remove(&folder).await?;
        }
        Ok(())
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Something of it is left.
    pub async fn clear(&mut self) -> Result<(), DriveError> {
        while let Some((name, _)) = self.files.first_key_value() {
            let name = name.split('/').next().unwrap_or(name).to_string();
            self.remove(&name).await?;
        }
        Ok(())
    }

    /// Whether a file of the run is there as the run has it.
    fn holds(&self, name: &str, run: &Run) -> bool {
        match (self.files.get(name), run.checkpoints.get(name)) {
            (Some(Some(there)), Some(here)) => Arc::ptr_eq(there, &here),
            _ => false,
        }
    }

    /// Writes the files of a checkpoint, the manifest last.
    async fn write_checkpoint(&mut self, names: &[&String], run: &Run) -> Result<(), DriveError> {
        let (manifests, others): (Vec<&str>, Vec<&str>) =
            names.iter().map(|name| name.as_str()).partition(|name| name.ends_with(MANIFEST));
        for name in others.into_iter().chain(manifests) {
            if let Some(content) = run.checkpoints.get(name) {
                self.write(name, &content, Some(content.clone())).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, name: &str, content: &[u8], of_run: Option<Arc<Vec<u8>>>) -> Result<(), DriveError> {
        self.platform.write(name, content).await?;
        self.files.insert(name.into(), of_run);
        Ok(())
    }

    /// Removes a file or a folder; of a folder, the manifest first.
    async fn remove(&mut self, name: &str) -> Result<(), DriveError> {
        let manifest = format!("{name}/{MANIFEST}");
        if self.files.contains_key(&manifest) {
            self.platform.remove(&manifest).await?;
        }
        self.platform.remove(name).await?;
        self.files.retain(|other, _| other != name && other.split('/').next() != Some(name));
        Ok(())
    }
}
