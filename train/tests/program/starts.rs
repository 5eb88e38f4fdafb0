//! How runs begin and end, and what they leave behind.

use std::{fs, path::Path, process::Command};

use super::{
    habits::{SECTIONS, train},
    support::{folder, hearth, refused},
};

/// A start that fails leaves no run, and none that a later start would take for one.
#[test]
fn a_start_that_fails_leaves_nothing() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let start = ["train", "run.toml", "--device", "cpu"];
    for setting in ["memory.budget_mib=1", "data.text=absent.txt", "model.context_length=5000"] {
        refused(folder, &[&start[..], &["--set", setting]].concat());
        assert!(!folder.join("runs/run").exists(), "{setting}");
    }
    // What is not the run's own stays.
    fs::create_dir(folder.join("mine")).unwrap();
    fs::write(folder.join("mine/notes.txt"), "keep").unwrap();
    refused(folder, &[&start[..], &["--set", "memory.budget_mib=1", "--out", "mine"]].concat());
    let left: Vec<_> = fs::read_dir(folder.join("mine")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    train(folder, "mine", &[], &[]);
    // One that was stopped before its first step is no run; a configuration of somebody's own is kept.
    let first_line = |run: &Path| {
        let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
        metrics.lines().next().unwrap().to_owned() + "\n"
    };
    fs::create_dir(folder.join("stopped")).unwrap();
    fs::copy(folder.join("run.toml"), folder.join("stopped/config.toml")).unwrap();
    assert!(refused(folder, &[&start[..], &["--out", "stopped"]].concat()).contains("already holds a run"));
    fs::write(folder.join("stopped/metrics.jsonl"), first_line(&folder.join("mine"))).unwrap();
    train(folder, "stopped", &[], &[]);
    assert!(refused(folder, &[&start[..], &["--out", "stopped"]].concat()).contains("already holds a run"));
}

/// As a loop of the shell starts them.
#[test]
fn runs_that_start_at_once_get_a_folder_each() {
    let folder = folder(SECTIONS);
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearth"));
        command.args(["train", "run.toml", "--device", "cpu"]).current_dir(folder.path()).spawn().unwrap()
    };
    let started = [(); 3].map(|()| start());
    for mut run in started {
        assert!(run.wait().unwrap().success());
    }
    for name in ["run", "run-2", "run-3"] {
        assert!(folder.path().join("runs").join(name).join("model.safetensors").exists(), "{name}");
    }
}

#[test]
fn what_is_no_text_is_told_what_it_is_for() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    fs::create_dir(folder.join("texts")).unwrap();
    fs::write(folder.join("d.jsonl"), "{\"text\": \"to be\"}\n".repeat(99)).unwrap();
    fs::write(folder.join("latin1.txt"), b"caf\xe9").unwrap();
    let refused = |setting: &str| refused(folder, &["train", "run.toml", "--device", "cpu", "--set", setting]);
    for (setting, said) in [
        ("data.text=texts", "is a folder: make tokens of what is in it by `hearth prepare "),
        ("data.text=d.jsonl", "is a .jsonl file, of which a run would learn the syntax"),
        ("data.text=latin1.txt", "is not UTF-8 from byte 3 on"),
        ("data.text=absent.txt", "absent.txt; a path in a configuration is relative to its folder"),
        ("data.tokenizer=gpt2", "gpt2\": there is no such file or folder; give \"char\", \"byte\", or the path"),
    ] {
        let error = refused(setting);
        assert!(error.contains(said), "{setting}: {error}");
    }
    #[cfg(unix)]
    assert!(refused("data.text=/dev/zero").contains("is a pipe or a device"));
    // Larger than any memory, and no byte of it on the disk.
    fs::File::create(folder.join("large.txt")).unwrap().set_len(1 << 42).unwrap();
    let error = refused("data.text=large.txt");
    assert!(error.contains("has 4398046 MB, which are held in memory"), "{error}");
}

/// What packages install beside the program, made by the program itself.
#[test]
fn the_program_describes_itself() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let said = |arguments: &[&str]| {
        let output = hearth(folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = said(&["--version"]);
    assert!(version.starts_with("hearth 0.") && version.contains(", Burn 0.22.1, wgpu 30."), "{version}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = said(&["completions", shell]);
        assert!(script.contains("hearth") && script.contains("certify") && script.contains("resume"), "{shell}");
    }
    assert!(said(&["man"]).starts_with(".ie"));
    said(&["man", "--out", "man1"]);
    let page = fs::read_to_string(folder.join("man1/hearth-train.1")).unwrap();
    assert!(folder.join("man1/hearth.1").exists() && page.contains("\\-\\-resume"), "{page}");
    assert!(refused(folder, &["man", "--out", "run.toml"]).starts_with("--out run.toml: the pages cannot be written"));
}

/// A minus is part of a number, and the number is what is wrong.
#[test]
fn numbers_below_zero_are_refused_by_what_is_wrong_with_them() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "run", &[], &[]);
    let said = |arguments: &[&str]| String::from_utf8(hearth(folder, arguments).stderr).unwrap();
    for (arguments, expected) in [
        (&["prepare", "text.txt", "--out", "x", "--vocab-size", "-5"][..], "invalid value '-5' for '--vocab-size"),
        (&["prepare", "text.txt", "--out", "x", "--tokenizer", "byte", "--validation-fraction", "-0.5"], "-0.5"),
        (&["generate", "run", "--device", "cpu", "--temperature", "-1"], "temperature"),
    ] {
        let error = said(arguments);
        assert!(error.contains(expected) && !error.contains("unexpected argument"), "{arguments:?}: {error}");
    }
}

/// Who serves a model or shares it in a group reads its file by another name.
#[cfg(unix)]
#[test]
fn weights_have_the_rights_of_the_other_files() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder(SECTIONS);
    train(folder.path(), "run", &[], &[]);
    let mode = |name: &str| fs::metadata(folder.path().join("run").join(name)).unwrap().permissions().mode();
    assert_eq!(mode("model.safetensors"), mode("config.toml"));
    assert_eq!(mode("step-00000004/model.safetensors"), mode("config.toml"));
    // A fork takes the name of the run that it comes from.
    let forked = hearth(folder.path(), &["train", "--resume", "run", "--fork", "--device", "cpu"]);
    assert!(forked.status.success() && folder.path().join("runs/run/model.safetensors").exists());
    let forked = hearth(folder.path(), &["train", "--resume", "runs/run/step-00000004", "--fork", "--device", "cpu"]);
    assert!(forked.status.success() && folder.path().join("runs/run-2/model.safetensors").exists());
}

/// A model of NaN is no result: the run says that it has diverged, and leaves what was good.
#[test]
fn a_run_that_ends_without_a_number_has_failed() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let start = ["train", "run.toml", "--device", "cpu", "--out", "run", "--set", "limits.steps=2"];
    let error = refused(folder, &[&start[..], &["--set", "optimizer.learning_rate=1e300"]].concat());
    assert!(error.starts_with("after 2 steps the loss is ") && error.contains("the run has diverged"), "{error}");
    assert!(!folder.join("run/model.safetensors").exists());
}

/// Checkpoints have the run; what it told is put aside where it cannot be read.
#[test]
fn damaged_figures_do_not_keep_a_run_from_going_on() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    train(folder, "run", &[], &[]);
    let metrics = folder.join("run/metrics.jsonl");
    for damage in [&b"\xff\xfe\0"[..], b"no record\n{}\n"] {
        fs::write(&metrics, damage).unwrap();
        let resumed = hearth(folder, &["train", "--resume", "run", "--device", "cpu", "--set", "limits.steps=6"]);
        let said = String::from_utf8(resumed.stderr).unwrap();
        assert!(
            resumed.status.success() && said.contains("metrics.jsonl.damaged now, and a new one is begun"),
            "{said}"
        );
        assert_eq!(fs::read(folder.join("run/metrics.jsonl.damaged")).unwrap(), damage);
    }
    let absurd = r#"{"step":18446744073709551615,"tokens":1,"seconds":1.0,"train_loss":1.0,"lr":1.0}"#;
    fs::write(&metrics, format!("{absurd}\n")).unwrap();
    let listed = hearth(folder, &["runs", "run"]);
    assert!(listed.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&listed.stderr));
}
