//! `manifest.json`: what a checkpoint is, and what its files are to the byte.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Component, Path},
};

use serde::{Deserialize, Serialize};

use super::{CheckpointError, file::open_regular};

pub(super) const MANIFEST: &str = "manifest.json";

/// The version of the layout.
const FORMAT: u32 = 1;

/// More would not be one of ours.
const MOST_BYTES: u64 = 1 << 20;

/// What a checkpoint is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the layout; 1.
    pub format: u32,
    /// The Hearth that wrote it.
    pub hearth: String,
    /// Steps until it.
    pub step: u64,
    /// What it was trained on: name and driver.
    pub adapter: String,
    /// Hash of the tokenizer.
    pub tokenizer: String,
    /// Hash of the tokens, training and validation.
    pub data: String,
    /// Every other file, by name.
    pub files: BTreeMap<String, FileEntry>,
    /// BLAKE3 of this file with nothing here.
    pub checksum: String,
}

/// A file to the byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its size.
    pub bytes: u64,
    /// Its hash, in hex.
    pub blake3: String,
}

/// What only the run knows of its checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// What it was trained on: name and driver.
    pub adapter: String,
    /// Hash of the tokenizer, in hex.
    pub tokenizer: String,
    /// Hash of the tokens, in hex.
    pub data: String,
}

impl Manifest {
    pub(super) fn new(step: u64, description: Description, files: BTreeMap<String, FileEntry>) -> Self {
        let Description { adapter, tokenizer, data } = description;
        let hearth = env!("CARGO_PKG_VERSION").into();
        let unsigned = Self { format: FORMAT, hearth, step, adapter, tokenizer, data, files, checksum: String::new() };
        Self { checksum: blake3::hash(&unsigned.to_json()).to_hex().to_string(), ..unsigned }
    }

    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("strings and numbers under fixed names")
    }

    /// Reads and checks the manifest in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self, CheckpointError> {
        let path = &folder.join(MANIFEST);
        let broken = |reason: String| CheckpointError::broken(path, reason);
        let (file, _) = open_regular("opening the checkpoint's manifest", path)?;
        let mut json = Vec::new();
        let read = file.take(MOST_BYTES + 1).read_to_end(&mut json);
        read.map_err(CheckpointError::io("reading the checkpoint's manifest", path))?;
        if json.len() as u64 > MOST_BYTES {
            return Err(broken("is over 1 MiB, and no manifest".into()));
        }
        // The version is looked at by itself, for a later one may have fields that are not known here.
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let not_one = |error: serde_json::Error| broken(format!("is no manifest of a checkpoint: {error}"));
        let Version { format } = serde_json::from_slice(&json).map_err(not_one)?;
        if format != u64::from(FORMAT) {
            return Err(CheckpointError::Format { path: path.clone(), format, known: FORMAT });
        }
        let manifest: Self = serde_json::from_slice(&json).map_err(not_one)?;
        let unsigned = Self { checksum: String::new(), ..manifest.clone() };
        let checksum = blake3::hash(&unsigned.to_json()).to_hex();
        if manifest.to_json() != json || manifest.checksum != checksum.as_str() {
            return Err(broken("was changed since it was written".into()));
        }
        if let Some(name) = manifest.files.keys().find(|name| !is_plain(name)) {
            return Err(broken(format!("names a file {name:?}, which would be elsewhere")));
        }
        Ok(manifest)
    }
}

/// Whether it names a file in a folder, and none in another.
pub(super) fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
        && !name.contains(|c: char| c.is_control() || ['/', '\\'].contains(&c))
}
