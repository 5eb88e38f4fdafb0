//! `prepare.json`: with what a folder was begun, and how far it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::split::{Counts, Done, SPLITS, Split};
use crate::new_file::{NewFile, unwritable};
use crate::prepared_folder::MANIFEST;
use crate::{DataError, TokenFiles};

/// What a folder was begun with, by name: everything that decides which tokens come out.
pub(super) type Settings = BTreeMap<String, String>;

/// The state of a folder, saved when shards have been finished. Shards are listed nowhere else: one that is in the
/// folder but not counted here was renamed by a process that ended before it could say so, and is written again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PreparedManifest {
    settings: Settings,
    pub finished: bool,
    pub train: Done,
    pub validation: Done,
    /// Whether documents `2k` and `2k + 1` are the chosen and the rejected one of a preference.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pairs: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl PreparedManifest {
    /// The state of `folder`. One without a finished shard is begun anew, with whatever settings; one with some can be
    /// gone on with only where `repeatable` says that the same pieces come again.
    pub(super) fn begin(folder: &Path, settings: Settings, repeatable: bool) -> Result<Self, DataError> {
        let manifest = match Self::read(folder) {
            Ok(manifest) if manifest.has_shards() => {
                if !repeatable {
                    return Err(DataError::NotRepeatable { path: folder.into() });
                }
                manifest.check_settings(folder, &settings)?;
                manifest
            }
            Err(DataError::Missing { .. }) => {
                refuse_shards(folder)?;
                Self::new(settings)
            }
            Ok(_) => Self::new(settings),
            Err(error) => return Err(error),
        };
        if !manifest.finished {
            manifest.save(folder)?;
            manifest.remove_uncounted(folder)?;
        }
        Ok(manifest)
    }

    fn new(settings: Settings) -> Self {
        Self { settings, finished: false, train: Done::default(), validation: Done::default(), pairs: false }
    }

    /// # Errors
    /// [`DataError::Missing`] where `folder` has none, and when it cannot be read or understood.
    pub(super) fn read(folder: &Path) -> Result<Self, DataError> {
        let path = folder.join(MANIFEST);
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).map_err(|cause| DataError::Manifest { path, cause }),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(DataError::Missing { path }),
            Err(cause) => Err(DataError::Unreadable { path, cause }),
        }
    }

    pub(super) fn save(&self, folder: &Path) -> Result<(), DataError> {
        let path = folder.join(MANIFEST);
        let mut json = serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .map_err(|cause| DataError::Unwritable { path: path.clone(), cause })?;
        json.push(b'\n');
        NewFile::write_whole(&path, &json)
    }

    /// Takes note of what is finished, and of whether the documents are pairs, as far as that is known.
    pub(super) fn note(&mut self, [train, validation]: [Done; 2], pairs: Option<bool>) {
        (self.train, self.validation, self.pairs) = (train, validation, pairs == Some(true));
    }

    /// Whether anything was finished.
    pub(super) fn has_shards(&self) -> bool {
        SPLITS.iter().any(|&split| self.done(split).counts.shards > 0)
    }

    pub(super) fn done(&self, split: Split) -> Done {
        match split {
            Split::Train => self.train,
            Split::Validation => self.validation,
        }
    }

    /// The counted shards of a part; `None` where there are none.
    ///
    /// # Errors
    /// When one is missing, as [`TokenFiles::open`], or when they do not hold what is counted.
    pub(super) fn open_shards(
        &self,
        folder: &Path,
        split: Split,
        tokenizer_hash: Option<[u8; 32]>,
    ) -> Result<Option<TokenFiles>, DataError> {
        let Counts { shards, tokens, documents, .. } = self.done(split).counts;
        // Asks for each in turn: a damaged count ends at the first that is missing.
        let existing = |number| {
            let path = split.shard_path(folder, number);
            if path.exists() { Ok(path) } else { Err(DataError::Missing { path }) }
        };
        let paths = (0..shards).map(existing).collect::<Result<Vec<_>, _>>()?;
        if paths.is_empty() {
            return Ok(None);
        }
        let files = TokenFiles::open(&paths, tokenizer_hash)?;
        if files.len() != tokens || documents > tokens {
            let (path, split, found) = (folder.join(MANIFEST), split.name(), files.len());
            return Err(DataError::CountedOtherwise { path, split, documents, tokens, found });
        }
        Ok(Some(if self.pairs { files.into_pairs() } else { files }))
    }

    fn check_settings(&self, folder: &Path, now: &Settings) -> Result<(), DataError> {
        let fields = self.settings.keys().chain(now.keys());
        match fields.into_iter().find(|&field| self.settings.get(field) != now.get(field)) {
            Some(field) => {
                let value = |settings: &Settings| settings.get(field).cloned().unwrap_or_else(|| "missing".into());
                let (was, now) = (value(&self.settings), value(now));
                Err(DataError::PreparedOtherwise { path: folder.join(MANIFEST), field: field.clone(), was, now })
            }
            None => Ok(()),
        }
    }

    fn remove_uncounted(&self, folder: &Path) -> Result<(), DataError> {
        for split in SPLITS {
            let paths = (self.done(split).counts.shards..).map(|number| split.shard_path(folder, number));
            for path in paths.take_while(|path| path.exists()) {
                fs::remove_file(&path).map_err(unwritable(&path))?;
            }
        }
        Ok(())
    }
}

fn refuse_shards(folder: &Path) -> Result<(), DataError> {
    match SPLITS.map(|split| split.shard_path(folder, 0)).into_iter().find(|path| path.exists()) {
        Some(path) => Err(DataError::FolderInUse { path }),
        None => Ok(()),
    }
}
