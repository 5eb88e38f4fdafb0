mod snapshots;
mod stores;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::{TempDir, tempdir};

use super::*;

const FILES: [&str; 5] = ["config.toml", "state.json", "model.safetensors", "optimizer.safetensors", "manifest.json"];

fn specs() -> Vec<TensorSpec> {
    let spec = |name: &str, shape: &[usize]| TensorSpec { name: name.into(), shape: shape.into() };
    vec![spec("b.weight", &[3, 5]), spec("a", &[7]), spec("c", &[2, 1, 3, 2])]
}

fn values(step: u64, spec: usize) -> Vec<u8> {
    let count = specs()[spec].shape.iter().product::<usize>();
    (0..count).flat_map(|at| ((step as usize * 1000 + spec * 100 + at) as f32).to_le_bytes()).collect()
}

fn describe() -> Description {
    Description { adapter: "an adapter".into(), tokenizer: "aa".into(), data: "bb".into() }
}

/// Begins and ends the checkpoint of `step`, whose values are those of `content`.
fn write_as(store: &Arc<dyn Store>, step: u64, content: u64) -> Result<String, CheckpointError> {
    let mut new = NewCheckpoint::create(store, step)?;
    new.write("config.toml", b"seed = 1\n")?;
    new.write("state.json", format!("{{\"step\": {content}}}").as_bytes())?;
    for name in ["model.safetensors", "optimizer.safetensors"] {
        let mut file = new.tensors(name, &specs())?;
        (0..3).try_for_each(|spec| values(content, spec).chunks(10).try_for_each(|piece| file.write(piece)))?;
        file.finish()?;
    }
    new.finish(describe())
}

fn write(store: &Arc<dyn Store>, step: u64) -> Result<String, CheckpointError> {
    write_as(store, step, step)
}

/// A run's folder, as a path and as a store, and the paths of its checkpoints.
struct Run {
    folder: TempDir,
    store: Arc<dyn Store>,
    paths: Vec<PathBuf>,
}

impl Run {
    fn of(steps: &[u64]) -> Self {
        let folder = tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(Folder::new(folder.path()));
        let paths = steps.iter().map(|step| folder.path().join(write(&store, *step).unwrap())).collect();
        Self { folder, store, paths }
    }

    fn steps(&self) -> Vec<u64> {
        list(&self.store).unwrap().into_iter().map(|(step, _)| step).collect()
    }

    fn entries(&self) -> usize {
        fs::read_dir(&self.folder).unwrap().count()
    }
}

#[test]
fn what_is_written_is_read() {
    let run = Run::of(&[1200]);
    let checkpoint = newest(&run.store, |name, error| panic!("{name}: {error}")).unwrap().unwrap();
    assert_eq!((checkpoint.name(), Path::new(&checkpoint.location())), ("step-00001200", &*run.paths[0]));
    let manifest = checkpoint.manifest();
    assert_eq!((checkpoint.step(), manifest.adapter.as_str(), manifest.files.len()), (1200, "an adapter", 4));
    assert_eq!(checkpoint.read("state.json").unwrap(), b"{\"step\": 1200}");
    let tensors = checkpoint.tensors("model.safetensors").unwrap();
    for (at, spec) in specs().iter().enumerate() {
        assert_eq!(tensors.get(&spec.name, &spec.shape).unwrap(), values(1200, at));
    }
    let shape = tensors.get("a", &[8]).unwrap_err().to_string();
    assert!(shape.ends_with("model.safetensors: a is [7], and the model's is [8]"), "{shape}");
    assert!(tensors.get("d", &[1]).unwrap_err().to_string().ends_with("has no tensor d"));
    assert!(checkpoint.read("elsewhere").unwrap_err().to_string().ends_with("elsewhere: is not in the checkpoint"));
    assert_eq!(run.entries(), 1);
}

/// The layout by hand: 8 bytes of length, JSON, values.
#[test]
fn any_tool_reads_the_tensors() {
    let run = Run::of(&[3]);
    let bytes = fs::read(run.paths[0].join("model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert_eq!(length % 8, 0);
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert_eq!(header["__metadata__"]["format"], "hearth-1");
    for (at, spec) in specs().iter().enumerate() {
        let entry = &header[&spec.name];
        assert_eq!(
            (entry["dtype"].as_str(), entry["shape"].as_array().unwrap().len()),
            (Some("F32"), spec.shape.len())
        );
        let offset = |end: usize| 8 + length + entry["data_offsets"][end].as_u64().unwrap() as usize;
        assert_eq!(bytes[offset(0)..offset(1)], values(3, at));
    }
}

/// Cut short, emptied, gone, or one byte other: found, named, and the one before is taken.
#[test]
fn every_change_is_found_and_the_one_before_is_taken() {
    let run = Run::of(&[10, 20]);
    let paths = &run.paths;
    let check = |name: &str, what: &str| {
        let mut told = Vec::new();
        let found = newest(&run.store, |name, error| told.push((name.to_string(), error.to_string()))).unwrap();
        assert_eq!(found.expect("step 10 is whole").step(), 10, "{name}, {what}");
        let [(passed_over, error)] = &told[..] else { panic!("{name}, {what}: {told:?}") };
        assert_eq!(passed_over, "step-00000020");
        assert!(error.contains(&paths[1].join(name).display().to_string()) && !error.contains('\n'), "{what}: {error}");
    };
    for name in FILES {
        let path = paths[1].join(name);
        let whole = fs::read(&path).unwrap();
        for length in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            check(name, &format!("cut to {length}"));
        }
        for at in 0..50 {
            let mut changed = whole.clone();
            let position = at * (whole.len() - 1) / 49;
            changed[position] ^= 1 << (at % 8);
            if changed != whole {
                fs::write(&path, &changed).unwrap();
                check(name, &format!("byte {position}"));
            }
        }
        fs::remove_file(&path).unwrap();
        check(name, "gone");
        fs::write(&path, &whole).unwrap();
    }
    assert_eq!(newest(&run.store, |_, _| panic!("all are whole again")).unwrap().unwrap().step(), 20);
}

#[test]
fn a_manifest_of_another_kind_is_refused() {
    let run = Run::of(&[1]);
    let path = run.paths[0].join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let error = |text: &str| {
        fs::write(&path, text).unwrap();
        Checkpoint::open(&run.store, "step-00000001").unwrap_err().to_string()
    };
    let later = error(&text.replace("\"format\": 1", "\"format\": 2, \"colour\": 7"));
    assert!(later.ends_with("has format 2, and this Hearth reads format 1: use a newer one"), "{later}");
    assert!(error(&" ".repeat(2 << 20)).contains("over 1 MiB"));
    let mut manifest: Manifest = serde_json::from_str(&text).unwrap();
    for name in ["../../etc/passwd", "/etc/passwd", "a/b", "..", "", "a\\b"] {
        let entry = FileEntry { bytes: 1, blake3: String::new() };
        manifest.files.insert(name.into(), entry);
        let description = Description::default();
        let signed = Manifest::new(1, description, manifest.files.clone());
        let refused = error(std::str::from_utf8(&signed.to_json()).unwrap());
        assert!(refused.contains("which would be elsewhere"), "{name}: {refused}");
        manifest.files.remove(name);
    }
}

#[test]
fn what_a_killed_process_leaves_is_never_taken_and_goes() {
    let run = Run::of(&[10, 20]);
    let at = |name: &str| run.folder.path().join(name);
    fs::create_dir(at("step-00000030.part")).unwrap();
    fs::write(at("step-00000030.part/config.toml"), "half").unwrap();
    // Killed while it removed one, and while it replaced another.
    fs::create_dir(at("step-00000005.old")).unwrap();
    fs::rename(&run.paths[1], at("step-00000020.old")).unwrap();
    fs::create_dir(at("step-1")).unwrap();
    assert_eq!(run.steps(), [10]);
    clean(&run.store).unwrap();
    assert_eq!(run.steps(), [20, 10]);
    assert!(!at("step-00000030.part").exists() && !at("step-00000005.old").exists() && at("step-1").exists());

    drop(NewCheckpoint::create(&run.store, 40).unwrap());
    assert_eq!(run.entries(), 3);
    let nowhere: Arc<dyn Store> = Arc::new(Folder::new("/no/such/run"));
    assert_eq!(list(&nowhere).unwrap(), []);
    clean(&nowhere).unwrap();
}

#[test]
fn one_of_the_same_step_is_replaced() {
    let run = Run::of(&[7]);
    let mut new = NewCheckpoint::create(&run.store, 7).unwrap();
    new.write("state.json", b"again").unwrap();
    let name = new.finish(Description::default()).unwrap();
    assert_eq!(run.folder.path().join(&name), run.paths[0]);
    assert_eq!(Checkpoint::open(&run.store, &name).unwrap().read("state.json").unwrap(), b"again");
    assert_eq!(run.entries(), 1);
}

#[test]
fn what_should_stay_stays() {
    let all = [10, 20, 25, 30, 40, 50];
    let stay = |last, every, best| {
        let run = Run::of(&all);
        retain(&run.store, 50, &Retention { last, every, best }).unwrap();
        assert_eq!(run.entries(), run.steps().len());
        run.steps()
    };
    assert_eq!(stay(2, 0, None), [50, 40]);
    assert_eq!(stay(0, 0, None), [50]);
    assert_eq!(stay(1, 20, None), [50, 40, 20]);
    assert_eq!(stay(1, 0, Some(25)), [50, 25]);
    assert_eq!(stay(2, 30, Some(10)), [50, 40, 30, 10]);
    assert_eq!(stay(9, 0, Some(11)), [50, 40, 30, 25, 20, 10]);
}

/// A run that passed over a broken one keeps what it writes from there on.
#[test]
fn broken_ones_do_not_crowd_out_the_runs_own() {
    let run = Run::of(&[10, 20, 30]);
    for path in &run.paths[1..] {
        fs::write(path.join("state.json"), "other").unwrap();
    }
    write(&run.store, 15).unwrap();
    retain(&run.store, 15, &Retention { last: 1, every: 0, best: None }).unwrap();
    assert_eq!(run.steps(), [30, 20, 15]);
    assert_eq!(newest(&run.store, |_, _| ()).unwrap().unwrap().step(), 15);
}

#[test]
fn what_an_earlier_replacement_left_is_in_no_ones_way() {
    let run = Run::of(&[7, 8]);
    for step in [7, 8] {
        let left = run.folder.path().join(format!("step-{step:08}.old"));
        fs::create_dir(&left).unwrap();
        fs::write(left.join("x"), "").unwrap();
    }
    write(&run.store, 8).unwrap();
    retain(&run.store, 8, &Retention { last: 1, every: 0, best: None }).unwrap();
    assert_eq!(run.steps(), [8]);
    assert_eq!(run.entries(), 1);
}

#[test]
#[should_panic(expected = "the values are not those of the shapes")]
fn missing_values_are_a_fault_of_the_program() {
    let run = Run::of(&[]);
    let mut new = NewCheckpoint::create(&run.store, 1).unwrap();
    let _ = new.tensors("model.safetensors", &specs()).unwrap().finish();
}
