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

use super::OpenDevice;
use crate::checkpoint::{ByOperation, DeviceKernels, KernelChoice, KernelChoices};
use burn::{backend::DispatchDevice, tensor::Bytes};
use cubecl::{
    CubeTuneId,
    benchmark::BenchmarkComputations,
    environment,
    tune::{AutotuneOutcome, AutotuneResult, PersistentCacheValue},
};
use cubecl_environment::persistence::{Access, Database, Namespace, Origin};

fn read(database: &Database, owner: &str) -> ByOperation {
    let mut all = BTreeMap::new();
    let prefix = format!("{owner}/");
    for namespace in database.namespaces() {
        let Some(operation) = namespace.strip_prefix(&prefix) else { continue };
        let mut choices = BTreeMap::new();
        database.scan(&namespace, &mut |key, value| {
            if let Some(choice) = KernelChoice::decode(value) {
                choices.insert(to_hex(key), choice);
            }
        });
        all.insert(operation.to_string(), choices);
    }
    all
}

/// Adds them to a database, which keeps what it has.
fn write(choices: &ByOperation, database: &Database, owner: &str) {
    for (operation, choices) in choices {
        let mut entries = choices.iter().filter_map(|(key, choice)| {
            Some((Bytes::from_bytes_vec(from_hex(key)?), Bytes::from_bytes_vec(choice.encode())))
        });
        database.insert_many(&format!("{owner}/{operation}"), &mut entries, Origin::Local);
    }
}

impl KernelChoice {
    fn decode(value: &[u8]) -> Option<Self> {
        let PersistentCacheValue { fastest_index, results, .. } = ciborium::from_reader(value).ok()?;
        let winner = results.iter().flat_map(|result| &result.outcome).find(|outcome| outcome.index == fastest_index);
        Some(Self { index: fastest_index, kernel: winner.map_or(String::new(), |winner| winner.name.clone()) })
    }

    /// As CubeCL keeps it, without what was measured: the name goes on with the choice.
    fn encode(&self) -> Vec<u8> {
        let winner = AutotuneOutcome::new(self.kernel.clone(), self.index, BenchmarkComputations::default());
        let results = vec![AutotuneResult { outcome: Ok(winner) }];
        let value = PersistentCacheValue { fastest_index: self.index, results, bounds: None, limit: None };
        let mut bytes = Vec::new();
        ciborium::into_writer(&value, &mut bytes).expect("a vector takes all");
        bytes
    }
}

/// A run's own choices of kernels, for as long as it lives. There is one at a time in a process.
#[derive(Debug)]
pub struct PinnedKernels {
    devices: Vec<Pinned>,
    /// `None` where no device chooses.
    stores: Option<Stores>,
}

/// Where choices are kept.
#[derive(Debug)]
struct Stores {
    /// All runs of this machine share it.
    shared: PathBuf,
    own: PathBuf,
}

#[derive(Debug)]
struct Pinned {
    adapter: String,
    /// Its name in CubeCL's store; the CPU does not choose and has none.
    name: Option<String>,
}

impl PinnedKernels {
    /// From here on these devices, by rank, run the kernels of `choices` and, where these say nothing of a device, those
    /// that the machine has chosen for its adapter before. What they choose beyond that is kept too, in a new file at
    /// `path`.
    pub fn new<'a>(devices: impl IntoIterator<Item = &'a OpenDevice>, path: PathBuf, choices: &KernelChoices) -> Self {
        let devices: Vec<Pinned> = devices.into_iter().map(Pinned::new).collect();
        let chooses = devices.iter().any(|device| device.name.is_some());
        let stores = chooses.then(|| Stores { shared: environment::path(), own: path });
        let pinned = Self { devices, stores };
        let Some(stores) = &pinned.stores else { return pinned };
        let shared = stores.shared();
        remove(&stores.own);
        environment::load(&stores.own);
        let Some(own) = Database::open_active() else { return pinned };
        for (rank, Pinned { adapter, name }) in pinned.devices.iter().enumerate() {
            let Some(name) = name else { continue };
            let earlier = || shared.as_ref().map(|shared| read(shared, &shared_name(adapter)));
            if let Some(choices) = choices.of(rank, adapter).cloned().or_else(earlier) {
                write(&choices, &own, name);
            }
        }
        pinned
    }

    /// What was chosen until now.
    pub fn choices(&self) -> KernelChoices {
        let own = self.stores.as_ref().and_then(|_| Database::open_active());
        let of = |Pinned { adapter, name }: &Pinned| DeviceKernels {
            adapter: adapter.clone(),
            kernels: own.as_ref().zip(name.as_ref()).map(|(own, name)| read(own, name)).unwrap_or_default(),
        };
        KernelChoices(self.devices.iter().map(of).collect())
    }

    /// Lets later runs on this machine start with these choices, where they have none of their own.
    pub fn share(&self, choices: &KernelChoices) {
        let Some(shared) = self.stores.as_ref().and_then(Stores::shared) else { return };
        choices.0.iter().for_each(|device| write(&device.kernels, &shared, &shared_name(&device.adapter)));
    }
}

impl Stores {
    fn shared(&self) -> Option<Database> {
        let opened = Database::open_at(&self.shared, Access::ReadWrite);
        opened.inspect_err(|error| log::warn!("{}: {error}", self.shared.display())).ok()
    }
}

impl Pinned {
    fn new(device: &OpenDevice) -> Self {
        let name = match device.device.as_dispatch() {
            DispatchDevice::Cube(cube) => {
                let id = CubeTuneId::new(&cube.client(), cube);
                Some(Namespace::scoped("autotune", id.to_string()).as_str().into())
            }
            _ => None,
        };
        Self { adapter: device.adapter.clone(), name }
    }
}

fn shared_name(adapter: &str) -> String {
    format!("hearth/{adapter}")
}

impl Drop for PinnedKernels {
    fn drop(&mut self) {
        if let Some(Stores { shared, own }) = &self.stores {
            environment::load(shared);
            remove(own);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that goes on writes them into its own checkpoints: with names, for people.
    #[test]
    fn a_choice_that_is_carried_over_keeps_its_name() {
        let choice = KernelChoice { index: 3, kernel: "matmul_simple".into() };
        assert_eq!(KernelChoice::decode(&choice.encode()), Some(choice));
    }
}
