//! Checkpoints.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use hearth_train::{
    checkpoint::{
        Checkpoint, CheckpointError, Description, Folder, KernelChoices, Memory, NewCheckpoint, Store, TensorSpec,
    },
    session::RunState,
};

use super::{A_BYTE, AT_LEAST, SplitMix, most_held, mutated};

/// The same checkpoint in a folder and in memory.
struct Run {
    folder: tempfile::TempDir,
    memory: Memory,
    stores: [Arc<dyn Store>; 2],
}

const NAME: &str = "step-00000001";

impl Run {
    fn new() -> Self {
        let (folder, memory) = (tempfile::tempdir().unwrap(), Memory::new());
        fs::create_dir(folder.path().join(NAME)).unwrap();
        let stores: [Arc<dyn Store>; 2] = [Arc::new(Folder::new(folder.path())), Arc::new(memory.clone())];
        Self { folder, memory, stores }
    }

    /// Writes the checkpoint of these files, whose sizes and hashes are right.
    fn write(&self, files: &BTreeMap<&str, Vec<u8>>) {
        let mut new = NewCheckpoint::create(&self.stores[1], 1).unwrap();
        files.iter().for_each(|(name, content)| new.write(name, content).unwrap());
        assert_eq!(new.finish(Description::default()).unwrap(), NAME);
        // Not through the folder's store, which would wait for the disk each time.
        for name in self.memory.names() {
            fs::write(self.folder.path().join(&name), &*self.memory.get(&name).unwrap()).unwrap();
        }
    }

    /// Puts other content in the place of a file.
    fn put(&self, name: &str, content: &[u8]) {
        self.memory.insert(&format!("{NAME}/{name}"), content.to_vec()).unwrap();
        fs::write(self.file(name), content).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(NAME).join(name)
    }

    /// Opens the one in the folder.
    fn open(&self) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open(&self.stores[0], NAME)
    }
}

/// Opens it and reads all that can be read, and looks at what that took.
fn read_all(run: &Run, size: usize, what: &str) {
    for store in &run.stores {
        let most = most_held(|| {
            let Ok(checkpoint) = Checkpoint::open(store, NAME) else { return };
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
        });
        assert!(most <= AT_LEAST + A_BYTE * size, "{what}, {store:?}: {most} bytes for files of {size}");
    }
}

#[test]
fn no_file_does_harm() {
    let run = Run::new();
    let whole = {
        let mut new = NewCheckpoint::create(&run.stores[1], 1).unwrap();
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
        let content = |name| run.memory.get(&format!("{NAME}/{name}")).unwrap().to_vec();
        names.map(|name| (name, content(name))).into_iter().collect::<BTreeMap<_, _>>()
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
        run.put("manifest.json", &changed);
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
            let store = run.stores[0].clone();
            thread::spawn(move || tell.send(Checkpoint::open(&store, NAME).unwrap_err().to_string()));
            let error = told.recv_timeout(Duration::from_secs(10)).unwrap_or_else(|_| panic!("{what} hangs"));
            assert!(error.contains(name) && error.contains("no file"), "{what}: {error}");
            fs::remove_file(&file).unwrap();
        }
        fs::rename(&elsewhere, &file).unwrap();
    }
    assert!(run.open().is_ok());
}
