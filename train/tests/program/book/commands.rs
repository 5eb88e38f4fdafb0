//! Every command of `hearth` in the pages, run as it stands there, each page's in a folder of their own, one after the other.

use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output},
};

use super::{pages, read, root};
use crate::support::PLAYS;

/// A run that is over in a moment; a page's `run.toml`.
const CONFIG: &str = r#"
seed = 1
[data]
text = "input.txt"
tokenizer = "byte"
[model]
preset = "shakespeare-cpu"
layers = 1
width = 16
heads = 2
context_length = 16
[batch]
micro_batch = 2
[schedule]
warmup_steps = 0
[limits]
steps = 1200
[evaluation]
every = 600
batches = 1
[checkpoint]
every = 600
keep_last = 9
"#;

/// What stands in for what a test has not: two cards, hours, another's file.
const STAND_INS: [(&str, &str); 7] = [
    ("wgpu:0,wgpu:1", "cpu"),
    ("wgpu:0,cpu", "cpu"),
    ("--device wgpu", "--device cpu"),
    ("--preset gpt2", "--preset stories260k"),
    ("--steps 500", "--steps 2"),
    ("--budget 2h --target 2d", "--budget 1e10 --sizes 3 --tokens-per-parameter 1"),
    ("bench CONFIG", "bench benches/models/nanogpt-cpu.toml"),
];

/// Runs `line` in `folder` as a shell would, with the program under test in front of all others.
fn shell(folder: &Path, line: &str) -> Output {
    let programs = folder.join(".programs");
    let mut path = OsString::from(&programs);
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    Command::new("bash").args(["-euc", line]).current_dir(folder).env("PATH", path).output().unwrap()
}

fn done(folder: &Path, line: &str, page: &str) {
    let output = shell(folder, line);
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{page}: {line}\n{out}\n{error}");
}

/// A folder with what the pages speak of: a text, a corpus, a configuration, runs and their checkpoints.
fn house() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in [".programs", "corpus", "elsewhere"] {
        fs::create_dir(at(name)).unwrap();
    }
    symlink(env!("CARGO_BIN_EXE_hearth"), at(".programs/hearth")).unwrap();
    symlink(root().join("benches"), at("benches")).unwrap();
    symlink(root().join("configs"), at("configs")).unwrap();
    for name in ["input.txt", "tinyshakespeare.txt", "corpus/one.txt"] {
        fs::write(at(name), &PLAYS[..60_000]).unwrap();
    }
    fs::write(at("question.txt"), "ROMEO:").unwrap();
    fs::write(at("run.toml"), CONFIG).unwrap();
    for line in [
        "hearth prepare corpus --vocab-size 300 --out learned && cp learned/tokenizer.json .",
        "hearth train run.toml --device cpu",
        "cp -r runs/run runs/base && cp -r runs/run runs/wide && cp -r runs/run elsewhere/run",
    ] {
        done(folder.path(), line, "before the pages");
    }
    folder
}

/// The commands of a page: lines of code that begin with `hearth`.
fn commands(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with("hearth "));
    lines.map(|line| STAND_INS.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to))).collect()
}

#[test]
fn commands_do_what_they_are_there_for() {
    let mut run = 0;
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap();
        let lines = commands(&read(&page));
        if lines.is_empty() {
            continue;
        }
        let folder = house();
        for line in lines {
            // A page may write its own configuration, which must not be there before.
            if line.starts_with("hearth init") {
                fs::remove_file(folder.path().join("run.toml")).unwrap();
                done(folder.path(), &line, name);
                fs::write(folder.path().join("run.toml"), CONFIG).unwrap();
            } else {
                done(folder.path(), &line, name);
            }
            run += 1;
        }
    }
    assert!(run > 30, "{run} commands");
}
