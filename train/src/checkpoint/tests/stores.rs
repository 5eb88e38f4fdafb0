//! What holds in every store: equal bytes, and nothing lost whatever fails.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;

/// All files of a store.
fn content(store: &Arc<dyn Store>) -> BTreeMap<String, Vec<u8>> {
    let mut content = BTreeMap::new();
    for (_, folder) in list(store).unwrap() {
        let manifest = Checkpoint::open(store, &folder).unwrap().manifest().clone();
        for file in manifest.files.keys().map(String::as_str).chain(["manifest.json"]) {
            let name = format!("{folder}/{file}");
            let mapped = store.map(&name).unwrap();
            let mut read = Vec::new();
            store.open(&name).unwrap().0.read_to_end(&mut read).unwrap();
            assert_eq!((*mapped).as_ref(), read);
            content.insert(name, read);
        }
    }
    content
}

#[test]
fn the_bytes_are_the_same_in_every_store() {
    let run = Run::of(&[10, 20]);
    let memory = Memory::new();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    for step in [10, 20] {
        write(&store, step).unwrap();
    }
    let files = content(&run.store);
    assert_eq!(files.len(), 10);
    assert_eq!(content(&store), files);
    assert_eq!(memory.names(), files.keys().cloned().collect::<Vec<_>>());
    assert_eq!(memory.get("step-00000010/state.json").unwrap().as_slice(), b"{\"step\": 10}");

    // Taken out file by file and put in again, as a page does.
    let again = Memory::new();
    memory.names().iter().for_each(|name| again.insert(name, memory.get(name).unwrap().to_vec()).unwrap());
    let again: Arc<dyn Store> = Arc::new(again);
    assert_eq!(newest(&again, |_, error| panic!("{error}")).unwrap().unwrap().step(), 20);
    assert!(Memory::new().insert("state.json", Vec::new()).unwrap_err().to_string().contains("not FOLDER/FILE"));
}

#[test]
fn a_checkpoint_is_carried_to_another_store() {
    let run = Run::of(&[10]);
    let memory: Arc<dyn Store> = Arc::new(Memory::new());
    let checkpoint = newest(&run.store, |_, _| ()).unwrap().unwrap();
    let there = checkpoint.copy_to(&memory).unwrap();
    assert_eq!((content(&memory), there.location()), (content(&run.store), "step-00000010".into()));

    // And back, over another of the same step.
    let other = Run::of(&[]);
    write_as(&other.store, 10, 99).unwrap();
    there.copy_to(&other.store).unwrap();
    assert_eq!((content(&other.store), other.entries()), (content(&run.store), 1));

    fs::write(run.paths[0].join("state.json"), "changed mean").unwrap();
    let error = checkpoint.copy_to(&other.store).unwrap_err().to_string();
    assert!(error.contains("state.json: was changed since it was opened"), "{error}");
    assert_eq!((content(&other.store).len(), other.entries()), (5, 1));
}

#[test]
fn a_broken_file_in_memory_is_named() {
    let memory = Memory::new();
    let store: Arc<dyn Store> = Arc::new(memory.clone());
    for step in [10, 20] {
        write(&store, step).unwrap();
    }
    memory.insert("step-00000020/state.json", b"{\"step\": 21}".to_vec()).unwrap();
    let mut told = Vec::new();
    let found = newest(&store, |_, error| told.push(error.to_string())).unwrap().unwrap();
    assert_eq!((found.step(), told), (10, vec!["step-00000020/state.json: was changed since it was written".into()]));
}

/// A store that fails at one operation, or at all from there on, as where the process was killed.
#[derive(Debug)]
struct Failing {
    store: Arc<dyn Store>,
    done: Arc<AtomicUsize>,
    fails_at: usize,
    goes_on: bool,
}

impl Failing {
    fn attempt(&self) -> io::Result<()> {
        attempt(&self.done, self.fails_at, self.goes_on)
    }
}

fn attempt(done: &AtomicUsize, fails_at: usize, goes_on: bool) -> io::Result<()> {
    let at = done.fetch_add(1, Ordering::Relaxed);
    match at == fails_at || (at > fails_at && !goes_on) {
        true => Err(io::Error::other("an injected fault")),
        false => Ok(()),
    }
}

impl Store for Failing {
    fn location(&self, name: &str) -> String {
        self.store.location(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.attempt().and_then(|()| self.store.list())
    }

    fn create(&self, folder: &str) -> io::Result<()> {
        self.attempt().and_then(|()| self.store.create(folder))
    }

    fn begin(&self, name: &str, bytes: u64) -> io::Result<Box<dyn NewFile>> {
        self.attempt()?;
        let file = self.store.begin(name, bytes)?;
        let Self { done, fails_at, goes_on, .. } = self;
        Ok(Box::new(FailingFile { file, done: done.clone(), fails_at: *fails_at, goes_on: *goes_on }))
    }

    fn open(&self, name: &str) -> io::Result<(Box<dyn Read>, u64)> {
        self.attempt().and_then(|()| self.store.open(name))
    }

    fn map(&self, name: &str) -> io::Result<Mapped> {
        self.attempt().and_then(|()| self.store.map(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.attempt().and_then(|()| self.store.rename(from, to))
    }

    fn remove(&self, folder: &str) -> io::Result<()> {
        self.attempt().and_then(|()| self.store.remove(folder))
    }

    fn sync(&self, folder: &str) -> io::Result<()> {
        self.attempt().and_then(|()| self.store.sync(folder))
    }
}

struct FailingFile {
    file: Box<dyn NewFile>,
    done: Arc<AtomicUsize>,
    fails_at: usize,
    goes_on: bool,
}

impl Write for FailingFile {
    /// Half of what was to be written is there when it fails.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = attempt(&self.done, self.fails_at, self.goes_on) {
            self.file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl NewFile for FailingFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        attempt(&self.done, self.fails_at, self.goes_on)?;
        self.file.finish()
    }
}

/// Writes the checkpoint of step 20 over one that stands, in a store that also has those of steps 5 and 10, and removes
/// what need not stay; the operation `fails_at` fails. Returns whether one did.
fn interrupted(store: &Arc<dyn Store>, fails_at: usize, goes_on: bool) -> bool {
    for step in [5, 10, 20] {
        write(store, step).unwrap();
    }
    let before = content(store);
    let done = Arc::new(AtomicUsize::new(0));
    let failing: Arc<dyn Store> = Arc::new(Failing { store: store.clone(), done: done.clone(), fails_at, goes_on });
    let written = write_as(&failing, 20, 21);
    if written.is_ok() {
        // That an old one could not be removed loses nothing.
        let _ = retain(&failing, 20, &Retention { last: 2, every: 0, best: None });
    }
    if goes_on && written.is_err() {
        assert!(
            list(store).unwrap().iter().any(|(step, _)| *step == 20),
            "operation {fails_at}: none of step 20 stands"
        );
    }

    // What the next process finds.
    clean(store).unwrap();
    let what = format!("operation {fails_at}, and the store {}", if goes_on { "goes on" } else { "is dead" });
    let found = newest(store, |name, error| panic!("{what}: {name}: {error}")).unwrap().expect("there were three");
    assert_eq!(found.step(), 20, "{what}");
    let after = content(store);
    let replaced = after["step-00000020/state.json"] == b"{\"step\": 21}";
    assert!(replaced || written.is_err(), "{what}: {written:?}");
    for (name, bytes) in before {
        // The one of step 5 may be gone once the new one is written.
        let may_be_gone = name.starts_with("step-00000005") && written.is_ok();
        let may_be_new = replaced && name.starts_with("step-00000020");
        let stands = after.get(&name) == Some(&bytes);
        assert!(stands || may_be_gone || may_be_new, "{what}: {name} was lost");
    }
    assert!(store.list().unwrap().iter().all(|name| !name.contains('.')), "{what}: {:?}", store.list());
    done.load(Ordering::Relaxed) > fails_at
}

#[test]
fn a_store_that_fails_loses_nothing_that_stood_before() {
    for goes_on in [true, false] {
        let mut counts = Vec::new();
        for in_memory in [true, false] {
            let mut faults = 0;
            loop {
                let run = Run::of(&[]);
                let store = if in_memory { Arc::new(Memory::new()) } else { run.store.clone() };
                if !interrupted(&store, faults, goes_on) {
                    break;
                }
                faults += 1;
            }
            counts.push(faults);
        }
        // Five files, of which two have three tensors in 26 pieces; what begins, ends and replaces; what retains.
        assert!(counts[0] > 50 && counts[0] == counts[1], "{counts:?}");
    }
}

#[test]
fn memory_of_a_removed_checkpoint_is_used_again() {
    let memory = Memory::new();
    let write = |folder: &str, bytes: u8| {
        memory.create(folder).unwrap();
        let mut file = memory.begin(&format!("{folder}/state.json"), 100_000).unwrap();
        file.write_all(&[bytes; 100_000]).unwrap();
        file.finish().unwrap();
        memory.get(&format!("{folder}/state.json")).unwrap()
    };
    let first = write("step-00000001", 1);
    let place = first.as_ptr();
    drop(first);
    memory.remove("step-00000001").unwrap();
    let second = write("step-00000002", 2);
    assert_eq!((second.as_ptr(), &second[..]), (place, &[2; 100_000][..]));
    // What somebody still reads is theirs.
    memory.remove("step-00000002").unwrap();
    let third = write("step-00000003", 3);
    assert_ne!(third.as_ptr(), place);
    assert!(second.iter().all(|byte| *byte == 2));
}
