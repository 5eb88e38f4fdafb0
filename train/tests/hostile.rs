//! Checkpoints that someone made to do harm: no panic, and no more memory than the files have.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use hearth_train::{
    checkpoint::{Checkpoint, Description, NewCheckpoint, TensorSpec},
    devices::KernelChoices,
    run::RunState,
};

/// The system's allocator, with a look at the largest piece that was asked for.
struct Watching;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system allocator's own.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// What reading needs whatever the file's size is: buffers of the standard library and of the hash.
const AT_LEAST: usize = 1 << 17;

/// Small, fast, and the same everywhere (Steele et al. 2014).
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}

/// `bytes` with one to eight changes: other bytes, runs of digits made huge, pieces removed, doubled or cut off.
fn mutated(bytes: &[u8], random: &mut SplitMix) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(8) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        let end = at + random.below((bytes.len() - at).min(32)) + 1;
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => drop(bytes.drain(at..end.min(bytes.len()))),
            3 => {
                let piece = bytes[at..end.min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                let huge: &[u8] =
                    [&b"18446744073709551615"[..], b"-1", b"1e308", b"4611686018427387904"][random.below(4)];
                let digit = (at..bytes.len()).find(|at| bytes[*at].is_ascii_digit()).unwrap_or(at);
                bytes.splice(digit..digit + 1, huge.iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// A checkpoint of these files, whose sizes and hashes are right.
fn write(run: &Path, files: &BTreeMap<&str, Vec<u8>>) -> std::path::PathBuf {
    let mut new = NewCheckpoint::create(run, 1).unwrap();
    files.iter().for_each(|(name, content)| new.write(name, content).unwrap());
    new.finish(Description::default()).unwrap()
}

/// Opens it and reads all that can be read, and looks at what that took.
fn read_all(path: &Path, size: usize, what: &str) {
    LARGEST.store(0, Ordering::Relaxed);
    if let Ok(checkpoint) = Checkpoint::open(path) {
        if let Ok(tensors) = checkpoint.tensors("model.safetensors") {
            for name in tensors.names() {
                let _ = tensors.get(&name, &[2, 3]);
            }
        }
        for name in ["state.json", "kernels.json"] {
            if let Ok(json) = checkpoint.read(name) {
                let _ = serde_json::from_slice::<RunState>(&json);
                let _ = KernelChoices::parse(&json);
            }
        }
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    // A vector doubles while it grows, and a number in JSON may be larger in memory than in the file.
    assert!(largest <= AT_LEAST.max(16 * size), "{what}: {largest} bytes at once for files of {size}");
}

#[test]
fn no_file_does_harm() {
    let run = tempfile::tempdir().unwrap();
    let whole = {
        let mut new = NewCheckpoint::create(run.path(), 1).unwrap();
        let spec = |name: &str, shape: &[usize]| TensorSpec { name: name.into(), shape: shape.into() };
        let mut file = new.tensors("model.safetensors", &[spec("a", &[2, 3]), spec("b", &[4])]).unwrap();
        file.write(&[1; 40]).unwrap();
        file.finish().unwrap();
        new.write("state.json", &serde_json::to_vec_pretty(&RunState::default()).unwrap()).unwrap();
        new.write("kernels.json", br#"{"matmul": {"a1b2": {"index": 3, "kernel": "fast"}}}"#).unwrap();
        let path = new.finish(Description::default()).unwrap();
        let names = ["model.safetensors", "state.json", "kernels.json"];
        names.map(|name| (name, fs::read(path.join(name)).unwrap())).into_iter().collect::<BTreeMap<_, _>>()
    };
    let path = write(run.path(), &whole);
    assert!(Checkpoint::open(&path).unwrap().tensors("model.safetensors").is_ok());
    let mut random = SplitMix(1);
    for round in 0..3000 {
        let mut files = whole.clone();
        let name = ["model.safetensors", "state.json", "kernels.json"][round % 3];
        let changed = mutated(&files[name], &mut random);
        files.insert(name, changed);
        let path = write(run.path(), &files);
        read_all(&path, files.values().map(Vec::len).sum(), &format!("{name}, round {round}"));
    }
    let manifest = fs::read(path.join("manifest.json")).unwrap();
    for round in 0..3000 {
        let changed = match round % 4 {
            0 => (0..random.below(4000)).map(|_| random.below(256) as u8).collect(),
            1 => [b"[".repeat(random.below(100_000)), b"{\"a\":".repeat(random.below(1000))].concat(),
            _ => mutated(&manifest, &mut random),
        };
        fs::write(path.join("manifest.json"), &changed).unwrap();
        read_all(&path, changed.len() + 4096, &format!("manifest.json, round {round}"));
    }
}

/// Headers that say more than the file has.
#[test]
fn sizes_that_cannot_be_are_refused() {
    let run = tempfile::tempdir().unwrap();
    let header = |json: &str| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    let tensor = |shape: &str, offsets: &str| {
        header(&format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#))
    };
    for (what, bytes) in [
        ("a header longer than the file", u64::MAX.to_le_bytes().to_vec()),
        ("no header", vec![1, 2, 3]),
        ("a product that overflows", tensor("[4294967296,4294967296,4294967296]", "[0,16]")),
        ("values beyond the end", tensor("[1000000]", "[0,4000000]")),
        ("offsets that fall", tensor("[2]", "[8,0]")),
        ("another type", header(r#"{"a":{"dtype":"F64","shape":[0],"data_offsets":[0,0]}}"#)),
    ] {
        let path = write(run.path(), &BTreeMap::from([("model.safetensors", bytes)]));
        let error = Checkpoint::open(&path).unwrap().tensors("model.safetensors").unwrap_err().to_string();
        assert!(error.contains("model.safetensors: ") && !error.contains('\n'), "{what}: {error}");
    }
}
