//! How the tests run the program.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Nine plays of Shakespeare.
pub const PLAYS: &str = include_str!("../../../examples/shakespeare/input.txt");

/// What every small run has.
const SMALL: &str = r#"
seed = 1
[data]
text = "text.txt"
[model]
preset = "shakespeare-cpu"
layers = 1
width = 32
heads = 2
context_length = 16
[batch]
micro_batch = 4
"#;

/// A folder with five thousand letters in `text.txt`, and in `run.toml` a small run with further sections.
pub fn folder(sections: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.txt"), &PLAYS[..5_000]).unwrap();
    fs::write(folder.path().join("run.toml"), [SMALL, sections].concat()).unwrap();
    folder
}

/// Runs `hearth` in `folder`.
pub fn hearth(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hearth")).args(arguments).current_dir(folder).output().unwrap()
}

/// What a command prints that must succeed.
pub fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = hearth(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The error of a command that must fail: all that is behind `error: `, which comes last.
pub fn refused(folder: &Path, arguments: &[&str]) -> String {
    error_of(&hearth(folder, arguments), arguments)
}

/// As [`refused`], of a command that has been run.
pub fn error_of(output: &Output, arguments: &[&str]) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let code = output.status.code();
    assert!(
        code == Some(1) && !said.contains("panicked") && !said.contains("backtrace"),
        "{arguments:?}: {code:?} {said}"
    );
    // Notes may come before it.
    let at = if said.starts_with("error: ") { Some(0) } else { said.find("\nerror: ").map(|at| at + 1) };
    said[at.expect("an error comes last")..]["error: ".len()..].trim_end().to_owned()
}
