//! Checkpoints that someone made to do harm: no panic, and no more memory than the files have.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::Arc,
};

use hearth_train::{
    checkpoint::KernelChoices,
    checkpoint::{Checkpoint, CheckpointError, Description, Folder, NewCheckpoint, Store, TensorSpec},
    session::RunState,
};

/// The system's allocator, which counts what each thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.get() + layout.size() as isize;
        HELD.set(held);
        MOST.set(MOST.get().max(held));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size() as isize);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What reading needs whatever the file's size is: buffers of the standard library and of the hash.
const AT_LEAST: usize = 1 << 17;

/// What a byte may take: `0,` is a number of eight bytes, in a vector that doubles while it grows.
const A_BYTE: usize = 16;

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

/// A folder with one checkpoint.
struct Run {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
}

const NAME: &str = "step-00000001";

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Folder::new(folder.path()));
        Self { folder, store }
    }

    /// Writes the checkpoint of these files, whose sizes and hashes are right.
    fn write(&self, files: &BTreeMap<&str, Vec<u8>>) {
        let mut new = NewCheckpoint::create(&self.store, 1).unwrap();
        files.iter().for_each(|(name, content)| new.write(name, content).unwrap());
        assert_eq!(new.finish(Description::default()).unwrap(), NAME);
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(NAME).join(name)
    }

    fn open(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open(&self.store, NAME)
    }
}

/// Opens it and reads all that can be read, and looks at what that took.
fn read_all(run: &Run, size: usize, what: &str) {
    let before = HELD.get();
    MOST.set(before);
    if let Ok(checkpoint) = run.open() {
        if let Ok(tensors) = checkpoint.tensors("model.safetensors") {
            for name in tensors.names() {
                let _ = tensors.get(name, &[2, 3]);
            }
        }
        for name in ["state.json", "kernels.json"] {
            if let Ok(json) = checkpoint.read(name) {
                let _ = serde_json::from_slice::<RunState>(&json);
                let _ = KernelChoices::parse(&json);
            }
        }
    }
    let most = (MOST.get() - before) as usize;
    assert!(most <= AT_LEAST + A_BYTE * size, "{what}: {most} bytes for files of {size}");
}

#[test]
fn no_file_does_harm() {
    let run = Run::new();
    let whole = {
        let mut new = NewCheckpoint::create(&run.store, 1).unwrap();
        let spec = |name: &str, shape: &[usize]| TensorSpec { name: name.into(), shape: shape.into() };
        let mut file = new.tensors("model.safetensors", &[spec("a", &[2, 3]), spec("b", &[4])]).unwrap();
        file.write(&[1; 40]).unwrap();
        file.finish().unwrap();
        new.write("state.json", &serde_json::to_vec_pretty(&RunState::default()).unwrap()).unwrap();
        new.write(
            "kernels.json",
            br#"[{"adapter": "a GPU", "kernels": {"matmul": {"a1b2": {"index": 3, "kernel": "fast"}}}}]"#,
        )
        .unwrap();
        new.finish(Description::default()).unwrap();
        let names = ["model.safetensors", "state.json", "kernels.json"];
        names.map(|name| (name, fs::read(run.file(name)).unwrap())).into_iter().collect::<BTreeMap<_, _>>()
    };
    run.write(&whole);
    assert!(run.open().unwrap().tensors("model.safetensors").is_ok());
    let mut random = SplitMix(1);
    for round in 0..3000 {
        let mut files = whole.clone();
        let name = ["model.safetensors", "state.json", "kernels.json"][round % 3];
        let changed = mutated(&files[name], &mut random);
        files.insert(name, changed);
        run.write(&files);
        read_all(&run, files.values().map(Vec::len).sum(), &format!("{name}, round {round}"));
    }
    let manifest = fs::read(run.file("manifest.json")).unwrap();
    for round in 0..3000 {
        let changed = match round % 4 {
            0 => (0..random.below(4000)).map(|_| random.below(256) as u8).collect(),
            1 => [b"[".repeat(random.below(100_000)), b"{\"a\":".repeat(random.below(1000))].concat(),
            _ => mutated(&manifest, &mut random),
        };
        fs::write(run.file("manifest.json"), &changed).unwrap();
        read_all(&run, changed.len() + 4096, &format!("manifest.json, round {round}"));
    }
}

fn header(json: &str) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat()
}

fn tensor(name: &str, kind: &str, shape: &str, offsets: &str) -> String {
    format!(r#""{name}":{{"dtype":"{kind}","shape":{shape},"data_offsets":{offsets}}}"#)
}

/// Headers that say more than the file has, or other things than one.
#[test]
fn headers_that_cannot_be_are_refused() {
    let run = Run::new();
    let one = |kind, shape, offsets| header(&format!("{{{}}}", tensor("a", kind, shape, offsets)));
    let far = (1_u64 << 61) - 4;
    let eight = (0..8).map(|at| {
        tensor(&at.to_string(), "F32", &format!("[{}]", far / 4), &format!("[{},{}]", at * far, (at + 1) * far))
    });
    let eight = header(&format!("{{{}}}", eight.collect::<Vec<_>>().join(",")));
    let twice = header(&format!("{{{0},{0}}}", tensor("a", "F32", "[0]", "[0,0]")));
    for (what, bytes, says) in [
        ("a header longer than the file", u64::MAX.to_le_bytes().to_vec(), "0 bytes for a header of 1844674407370955"),
        ("no header", vec![1, 2, 3], "too short"),
        ("a product that overflows", one("F32", "[4294967296,4294967296,4294967296]", "[0,16]"), "beyond the end"),
        ("offsets that overflow", eight, "beyond the end"),
        ("values beyond the end", one("F32", "[1000000]", "[0,4000000]"), "beyond the end"),
        ("offsets that fall", one("F32", "[0]", "[8,0]"), "its place is (0, 0)"),
        ("another type", one("F64", "[0]", "[0,0]"), "a is F64, not F32"),
        ("a type of two lines", one("\\nF\\n", "[0]", "[0,0]"), "no right header"),
        ("a name twice", twice, "has a twice"),
        ("more values than tensors", [header("{}"), vec![0; 4]].concat(), "4 bytes after its last tensor"),
    ] {
        run.write(&BTreeMap::from([("model.safetensors", bytes)]));
        let error = run.open().unwrap().tensors("model.safetensors").unwrap_err().to_string();
        assert!(error.contains("model.safetensors: ") && error.contains(says), "{what}: {error}");
        assert!(!error.contains('\n'), "{what}: {error}");
    }
}

/// What an honest header of many tensors, and a dishonest one of many sizes, take in memory.
#[test]
fn a_long_header_takes_no_more_than_its_share() {
    let run = Run::new();
    let many = (0..20_000).map(|at| tensor(&at.to_string(), "F32", "[0]", "[0,0]")).collect::<Vec<_>>().join(",");
    let sizes = tensor("a", "F32", &format!("[{}0]", "0,".repeat(500_000)), "[0,0]");
    for (what, json) in [("many tensors", many), ("many sizes", sizes)] {
        let bytes = header(&format!("{{{json}}}"));
        let size = bytes.len();
        run.write(&BTreeMap::from([("model.safetensors", bytes)]));
        assert!(run.open().unwrap().tensors("model.safetensors").is_ok(), "{what}");
        read_all(&run, size, what);
    }
}

/// A link could lead anywhere, and a pipe would never end.
#[cfg(unix)]
#[test]
fn only_files_are_read() {
    use std::{os::unix::fs::symlink, process::Command, sync::mpsc::channel, thread, time::Duration};
    let run = Run::new();
    run.write(&BTreeMap::from([("state.json", b"{}".to_vec())]));
    for name in ["state.json", "manifest.json"] {
        let (file, elsewhere) = (run.file(name), run.folder.path().join("elsewhere"));
        let link = || symlink(&elsewhere, &file).unwrap();
        let pipe = || assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        fs::rename(&file, &elsewhere).unwrap();
        for (what, put) in [("a link", &link as &dyn Fn()), ("a pipe", &pipe)] {
            put();
            let (tell, told) = channel();
            let store = run.store.clone();
            thread::spawn(move || tell.send(Checkpoint::open(&store, NAME).unwrap_err().to_string()));
            let error = told.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("{what} hangs"));
            assert!(error.contains(name) && error.contains("no file"), "{what}: {error}");
            fs::remove_file(&file).unwrap();
        }
        fs::rename(&elsewhere, &file).unwrap();
    }
    assert!(run.open().is_ok());
}
