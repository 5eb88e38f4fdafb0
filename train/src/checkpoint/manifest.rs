//! `manifest.json`: what a checkpoint is, and what its files are to the byte.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Component, Path},
};

use serde::{Deserialize, Serialize};

use super::{error::CheckpointError, names, store::Store};

pub(super) const MANIFEST: &str = "manifest.json";

/// The version of the layout.
const FORMAT: u32 = 1;

/// More would not be one of ours.
const MOST_BYTES: u64 = 1 << 20;

/// What a checkpoint is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the layout; 1.
    pub format: u32,
    /// Version of the Hearth that wrote it.
    pub hearth: String,
    /// Number of steps that the run had taken.
    pub step: u64,
    /// Name and driver of the adapter that it was trained on.
    pub adapter: String,
    /// BLAKE3 of the tokenizer, in hex.
    pub tokenizer: String,
    /// BLAKE3 of the tokens, training and validation, in hex.
    pub data: String,
    /// Size and hash of every other file, by name.
    pub files: BTreeMap<String, FileEntry>,
    /// BLAKE3 of this file with an empty string here, in hex.
    pub checksum: String,
}

/// What a file is to the byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its BLAKE3, in hex.
    pub blake3: String,
}

/// What only the run knows of its checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Description {
    /// Name and driver of the adapter that it was trained on.
    pub adapter: String,
    /// BLAKE3 of the tokenizer, in hex.
    pub tokenizer: String,
    /// BLAKE3 of the tokens, training and validation, in hex.
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

    /// Reads and checks the manifest of `checkpoint`.
    pub(super) fn read(store: &dyn Store, checkpoint: &str) -> Result<Self, CheckpointError> {
        let name = names::file(checkpoint, MANIFEST);
        let broken = |reason: String| CheckpointError::broken(store.location(&name), reason);
        let opened = store.open(&name).map_err(CheckpointError::io("opening the checkpoint's manifest", store, &name));
        let mut json = Vec::new();
        let read = opened?.0.take(MOST_BYTES + 1).read_to_end(&mut json);
        read.map_err(CheckpointError::io("reading the checkpoint's manifest", store, &name))?;
        if json.len() as u64 > MOST_BYTES {
            return Err(broken("is over 1 MiB, and no manifest".into()));
        }
        Self::parse(&json).map_err(|refused| match refused {
            NotRead::Format(format) => {
                CheckpointError::Format { location: store.location(&name), format, known: FORMAT }
            }
            NotRead::Broken(reason) => broken(reason),
        })
    }

    fn parse(json: &[u8]) -> Result<Self, NotRead> {
        // The version is looked at by itself, for a later one may have fields that are not known here.
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let not_one = |error: serde_json::Error| NotRead::Broken(format!("is no manifest of a checkpoint: {error}"));
        let Version { format } = serde_json::from_slice(json).map_err(not_one)?;
        if format != u64::from(FORMAT) {
            return Err(NotRead::Format(format));
        }
        let manifest: Self = serde_json::from_slice(json).map_err(not_one)?;
        let unsigned = Self { checksum: String::new(), ..manifest.clone() };
        let checksum = blake3::hash(&unsigned.to_json()).to_hex();
        if manifest.to_json() != json || manifest.checksum != checksum.as_str() {
            return Err(NotRead::Broken("was changed since it was written".into()));
        }
        if let Some(name) = manifest.files.keys().find(|name| !is_plain(name)) {
            return Err(NotRead::Broken(format!("names a file {name:?}, which would be elsewhere")));
        }
        Ok(manifest)
    }
}

/// Why a manifest's text is refused.
enum NotRead {
    /// It is of a later format.
    Format(u64),
    /// What is wrong with it.
    Broken(String),
}

/// Whether it names a file in a folder, and none in another.
pub(super) fn is_plain(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
        && !name.contains(|c: char| c.is_control() || ['/', '\\'].contains(&c))
}
