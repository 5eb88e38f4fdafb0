//! Which kernels a device runs: Burn's autotune measures several for each shape and keeps the fastest, so two processes
//! may choose differently, and then differ in the last bit.
//!
//! A run therefore chooses once: its choices are kept in a store of its own, travel in every checkpoint, and are there
//! again before the first kernel of a run that is resumed.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::{
    backend::DispatchDevice,
    tensor::{Bytes, Device},
};
use cubecl::{CubeTuneId, environment, tune::PersistentCacheValue};
use cubecl_environment::persistence::{Access, Database, Namespace, Origin};
use serde::{Deserialize, Serialize};

/// The choices for one device: by operation, and there by shape.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KernelChoices(BTreeMap<String, BTreeMap<String, Choice>>);

/// A kernel among those that can do the work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    index: usize,
    /// For people.
    kernel: String,
}

impl KernelChoices {
    /// Reads those of `kernels.json`.
    ///
    /// # Errors
    /// What the JSON reader said.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// As JSON, for a checkpoint.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("choices are plain values")
    }

    /// Number of choices.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Whether nothing was chosen yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn read(database: &Database, owner: &str) -> Self {
        let mut all = BTreeMap::new();
        let prefix = format!("{owner}/");
        for namespace in database.namespaces() {
            let Some(operation) = namespace.strip_prefix(&prefix) else { continue };
            let mut choices = BTreeMap::new();
            database.scan(&namespace, &mut |key, value| {
                if let Some(choice) = Choice::decode(value) {
                    choices.insert(to_hex(key), choice);
                }
            });
            all.insert(operation.to_string(), choices);
        }
        Self(all)
    }

    /// Adds them to a database, which keeps what it has.
    fn write(&self, database: &Database, owner: &str) {
        for (operation, choices) in &self.0 {
            let mut entries = choices.iter().filter_map(|(key, choice)| {
                Some((Bytes::from_bytes_vec(from_hex(key)?), Bytes::from_bytes_vec(choice.encode())))
            });
            database.insert_many(&format!("{owner}/{operation}"), &mut entries, Origin::Local);
        }
    }
}

impl Choice {
    fn decode(value: &[u8]) -> Option<Self> {
        let PersistentCacheValue { fastest_index, results, .. } = ciborium::from_reader(value).ok()?;
        let winner = results.iter().flat_map(|result| &result.outcome).find(|outcome| outcome.index == fastest_index);
        Some(Self { index: fastest_index, kernel: winner.map_or(String::new(), |winner| winner.name.clone()) })
    }

    fn encode(&self) -> Vec<u8> {
        let value = PersistentCacheValue { fastest_index: self.index, results: Vec::new(), bounds: None, limit: None };
        let mut bytes = Vec::new();
        ciborium::into_writer(&value, &mut bytes).expect("a vector takes all");
        bytes
    }
}

/// A run's own choices of kernels, for as long as it lives. There is one at a time in a process.
#[derive(Debug)]
pub struct PinnedKernels {
    /// The device's name in CubeCL's store.
    device: String,
    /// The same, for the adapter, in the store that all runs of this machine share.
    shared: String,
    shared_path: PathBuf,
    path: PathBuf,
}

impl PinnedKernels {
    /// From here on `device` runs the kernels of `choices` and, where these say nothing, those that it has chosen and
    /// those that it will: all are kept in a new file at `path`. Without `choices` the machine's earlier ones for the
    /// same `adapter` are taken. `None` for a device that does not choose.
    pub fn new(device: &Device, adapter: &str, path: PathBuf, choices: Option<&KernelChoices>) -> Option<Self> {
        let DispatchDevice::Cube(cube) = device.as_dispatch() else { return None };
        let tune_id = CubeTuneId::new(&cube.client(), cube);
        let pinned = Self {
            device: Namespace::scoped("autotune", tune_id.to_string()).as_str().into(),
            shared: format!("hearth/{adapter}"),
            shared_path: environment::path(),
            path,
        };
        let earlier = || pinned.shared().map(|database| KernelChoices::read(&database, &pinned.shared));
        let choices = choices.cloned().or_else(earlier).unwrap_or_default();
        remove(&pinned.path);
        environment::load(&pinned.path);
        if let Some(database) = Database::open_active() {
            choices.write(&database, &pinned.device);
        }
        Some(pinned)
    }

    /// What was chosen until now.
    pub fn choices(&self) -> KernelChoices {
        Database::open_active().map_or_else(KernelChoices::default, |own| KernelChoices::read(&own, &self.device))
    }

    /// Lets later runs on this machine start with these choices, where they have none of their own.
    pub fn share(&self, choices: &KernelChoices) {
        if let Some(shared) = self.shared() {
            choices.write(&shared, &self.shared);
        }
    }

    fn shared(&self) -> Option<Database> {
        let opened = Database::open_at(&self.shared_path, Access::ReadWrite);
        opened.inspect_err(|error| log::warn!("{}: {error}", self.shared_path.display())).ok()
    }
}

impl Drop for PinnedKernels {
    fn drop(&mut self) {
        environment::load(&self.shared_path);
        remove(&self.path);
    }
}

/// The file and what the database writes beside it.
fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm", "-tshm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let _ = fs::remove_file(file);
    }
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
