//! Runs as things: listed, compared, drawn; with each step once in all that a run leaves, whatever befell it.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::support::{done, folder, hearth, refused};

const SECTIONS: &str = r#"
[schedule]
warmup_steps = 0
[limits]
steps = 6
[evaluation]
every = 2
batches = 1
[sample]
every = 2
tokens = 8
[checkpoint]
every = 2
"#;

fn train(folder: &Path, more: &[&str]) {
    done(folder, &[&["train", "--device", "cpu"], more].concat());
}

fn records(run: &Path) -> Vec<Value> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Steps of the records that have this field, or are this event.
fn steps(records: &[Value], what: &str) -> Vec<u64> {
    let is_it = |record: &&Value| record["event"] == what || record.get(what).is_some();
    records.iter().filter(is_it).map(|record| record["step"].as_u64().unwrap()).collect()
}

#[test]
fn runs_are_listed_and_compared() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, &["run.toml"]);
    train(folder, &["run.toml", "--set", "optimizer.learning_rate=0.5", "--set", "limits.steps=4"]);
    fs::create_dir(folder.join("runs/other")).unwrap();
    let listed: Value = serde_json::from_str(&done(folder, &["runs", "--json"])).unwrap();
    let [second, first] = &listed.as_array().unwrap()[..] else { panic!("{listed}") };
    for (run, name, count) in [(first, "run", 6), (second, "run-2", 4)] {
        let records = records(&folder.join("runs").join(name));
        let losses = |field| records.iter().filter_map(move |record| record.get(field).cloned());
        let best = losses("val_loss").map(|loss| loss.as_f64().unwrap()).fold(f64::INFINITY, f64::min);
        assert_eq!((&run["name"], &run["status"]), (&name.into(), &"finished".into()));
        assert_eq!([&run["steps"], &run["total_steps"], &run["checkpoint"]], [&Value::from(count); 3]);
        assert_eq!(run["tokens"], count * 64);
        assert_eq!(run["train_loss"], losses("train_loss").next_back().unwrap());
        assert_eq!(run["val_loss"], losses("val_loss").next_back().unwrap());
        assert_eq!(run["best"]["loss"], best);
        assert!(run["device"].as_str().unwrap().starts_with("CPU"), "{run}");
    }
    let table = done(folder, &["runs", "runs"]);
    let lines: Vec<_> = table.lines().collect();
    assert!(lines.len() == 3 && lines[1].starts_with("run-2  finished    4/4"), "{table}");

    let both = done(folder, &["runs", "run", "runs/run-2"]);
    let (figures, configuration) = both.split_once("\nconfiguration\n").unwrap();
    assert!(figures.contains("validation loss") && figures.contains("best validation"), "{both}");
    let fields: Vec<_> = configuration.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(fields, [["limits.steps", "6", "4"], ["optimizer.learning_rate", "0.001", "0.5"]]);
    let json: Value = serde_json::from_str(&done(folder, &["runs", "run", "run-2", "--json"])).unwrap();
    assert_eq!(json["differences"]["limits.steps"], serde_json::json!(["6", "4"]));
    assert!(done(folder, &["runs", "run"]).contains("last checkpoint  6"));

    // One that is broken is told of, and the others are listed.
    fs::write(folder.join("runs/run-2/config.toml"), "[model]\nlayers = 0\n").unwrap();
    let output = hearth(folder, &["runs"]);
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("passed over: runs/run-2/config.toml"), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    let nowhere = refused(folder, &["runs", "run", "nowhere"]);
    assert!(nowhere.starts_with("nowhere: there is no run; those in the folder `runs` are runs/run"), "{nowhere}");
    assert!(refused(&folder.join("runs"), &["runs"]).starts_with("runs: there is no such folder"));
}

#[test]
fn how_a_run_ended_is_seen() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let status = |name: &str| {
        let run: Value = serde_json::from_str(&done(folder, &["runs", name, "--json"])).unwrap();
        run["runs"][0]["status"].as_str().unwrap().to_string()
    };
    // A start that fails leaves nothing, and the name is free.
    let budget = ["train", "run.toml", "--device", "cpu", "--set", "memory.budget_mib=1"];
    assert!(refused(folder, &budget).contains("no plan fits in 1 MiB"));
    assert!(!folder.join("runs/run").exists());
    let output = hearth(folder, &["train", "run.toml", "--device", "cpu", "--set", "optimizer.learning_rate=1e30"]);
    assert!(!output.status.success());
    assert_eq!(status("run"), "failed");
    let told = String::from_utf8(output.stderr).unwrap();
    let error = told.lines().last().unwrap().strip_prefix("error: ").unwrap();
    assert!(done(folder, &["runs", "run"]).contains(error), "{error}");

    let mut process = Command::new(env!("CARGO_BIN_EXE_hearth"))
        .args(["train", "run.toml", "--device", "cpu", "--set", "limits.steps=1000000"])
        .current_dir(folder)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let run = folder.join("runs/run-2");
    while !run.join("step-00000004").exists() {
        assert!(process.try_wait().unwrap().is_none(), "the run ended by itself");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(status("run-2"), "running");
    assert!(
        fs::read_to_string(run.join("loss.svg")).unwrap().contains("run-2"),
        "the picture is there while it trains"
    );
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(status("run-2"), "killed");
}

#[test]
fn runs_that_start_at_once_go_to_folders_of_their_own() {
    let folder = folder(SECTIONS);
    let begin = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command.args(["train", "run.toml", "--device", "cpu"]).current_dir(folder.path());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    for mut process in [(); 3].map(|()| begin()) {
        assert!(process.wait().unwrap().success());
    }
    let listed = done(folder.path(), &["runs", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let mut names: Vec<_> = listed.as_array().unwrap().iter().map(|run| (&run["name"], &run["status"])).collect();
    names.sort_by_key(|(name, _)| name.to_string());
    let finished = Value::from("finished");
    assert_eq!(names, ["run", "run-2", "run-3"].map(Value::from).each_ref().map(|name| (name, &finished)));
}

#[test]
fn a_run_that_was_resumed_has_each_step_once() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, &["run.toml", "--set", "checkpoint.keep_every=2", "--set", "checkpoint.keep_best=false"]);
    let run = folder.join("runs/run");
    let whole = records(&run);
    assert_eq!(steps(&whole, "train_loss"), [0, 1, 2, 3, 4, 5]);
    for what in ["val_loss", "sample"] {
        assert_eq!(steps(&whole, what), [0, 2, 4, 6], "{what}");
    }
    assert_eq!((steps(&whole, "start"), steps(&whole, "end")), (vec![0], vec![6]));
    assert_eq!(steps(&whole, "checkpoint"), [2, 4, 6]);
    let samples = fs::read_to_string(run.join("samples.md")).unwrap();
    // As if it had been killed behind step 4.
    for gone in ["step-00000006", "model.safetensors"] {
        let path = run.join(gone);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    train(folder, &["run.toml", "--resume", "auto"]);
    let resumed = records(&run);
    let no_clock = |records: &[Value], what: &str| {
        let mut kept: Vec<Value> =
            records.iter().filter(|it| it["event"] == what || it.get(what).is_some()).cloned().collect();
        for record in &mut kept {
            for clock in ["seconds", "tokens_per_second", "mfu", "memory_bytes"] {
                record.as_object_mut().unwrap().remove(clock);
            }
        }
        kept
    };
    for what in ["train_loss", "val_loss", "sample"] {
        assert_eq!(no_clock(&resumed, what), no_clock(&whole, what), "{what}");
    }
    assert_eq!((steps(&resumed, "start"), steps(&resumed, "end")), (vec![0, 4], vec![6, 6]));
    assert_eq!(fs::read_to_string(run.join("samples.md")).unwrap(), samples);
    assert_eq!(samples.matches("\n## Step ").count(), 4);
    // At its end already: nothing is told twice.
    train(folder, &["--resume", "runs/run"]);
    assert_eq!(no_clock(&records(&run), "sample"), no_clock(&whole, "sample"));
    assert_eq!(fs::read_to_string(run.join("samples.md")).unwrap(), samples);
}

#[test]
fn curves_are_laid_over_one_another() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    for name in ["one", "two", "three"] {
        train(folder, &["run.toml", "--out", &format!("runs/{name}")]);
    }
    assert_eq!(done(folder, &["plot", "one", "runs/two", "three", "--x", "tokens", "--out", "all.svg"]), "all.svg\n");
    let svg = fs::read_to_string(folder.join("all.svg")).unwrap();
    let loss = records(&folder.join("runs/two")).iter().filter_map(|it| it["train_loss"].as_f64()).next_back().unwrap();
    assert!(
        svg.contains(&format!(">\ntwo: train {loss:.4}, best validation ")) && svg.contains("training tokens"),
        "{svg}"
    );
    done(folder, &["plot", "one"]);
    assert!(fs::read_to_string(folder.join("plot.svg")).unwrap().contains("validation, last "));
    assert!(
        refused(folder, &["plot", "one", "--out", "a.gif"])
            .starts_with("--out a.gif: give a name that ends in .svg or .png")
    );
    done(folder, &["plot", "one", "--out", "one.PNG"]);
    let png = fs::read(folder.join("one.PNG")).unwrap();
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xaeB`\x82"));
    assert!(refused(folder, &["plot", "four"]).starts_with("four: there is no run; those in the folder `runs` are"));
}
