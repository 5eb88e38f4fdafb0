//! The program on a terminal, and without one: what it draws, which keys and signals it answers, and how it leaves.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::support::folder;

const SECTIONS: &str = r#"
[limits]
steps = 1000000
[evaluation]
every = 100
batches = 2
"#;

const ENTERS: &str = "\u{1b}[?1049h";
const LEAVES: &str = "\u{1b}[?1049l";

/// Waits for what must come.
fn until(what: &str, mut come: impl FnMut() -> bool) {
    let start = Instant::now();
    while !come() {
        assert!(start.elapsed() < Duration::from_secs(120), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Events that the run has told of.
fn events(folder: &Path) -> usize {
    fs::read_to_string(folder.join("run/metrics.jsonl")).map_or(0, |text| text.lines().count())
}

/// A process on a terminal of its own, made by `script`, that wrote its number to the file `pid`.
struct OnTerminal {
    folder: PathBuf,
    script: Child,
    output: JoinHandle<String>,
}

impl OnTerminal {
    /// `hearth train` into the folder `run`, on a terminal of so many columns, which has drawn some steps.
    fn train(folder: &Path, columns: u16, more: &str) -> Self {
        let hearth = env!("CARGO_BIN_EXE_hearth");
        let command = format!(
            "stty rows 24 cols {columns}; echo $$ > pid; exec {hearth} train run.toml --device cpu --out run {more}"
        );
        let mut script = Command::new("script");
        let heed = || {
            // SAFETY: the default runs no code.
            unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
            Ok(())
        };
        // Where a shell runs these tests in its background, SIGINT is ignored. SAFETY: it allocates nothing.
        unsafe { script.pre_exec(heed) };
        let mut script = script
            .args(["-qefc", &command, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script is there");
        let mut stdout = script.stdout.take().unwrap();
        let output = thread::spawn(move || {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let run = Self { folder: folder.into(), script, output };
        until("steps", || events(&run.folder) > 5);
        run
    }

    fn press(&mut self, keys: &str) {
        let stdin = self.script.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    fn signal(&self, signal: &str) {
        let pid = fs::read_to_string(self.folder.join("pid")).unwrap();
        assert!(Command::new("kill").args([signal, pid.trim()]).status().unwrap().success());
    }

    /// Everything that came to the terminal, and the exit code, once the process has ended.
    fn end(mut self) -> (String, Option<i32>) {
        until("the end", || self.script.try_wait().unwrap().is_some());
        (self.output.join().unwrap(), self.script.wait().unwrap().code())
    }
}

/// What the terminal has once the dashboard has left it.
fn after_the_dashboard(output: &str) -> &str {
    assert_eq!((output.matches(ENTERS).count(), output.matches(LEAVES).count()), (1, 1), "{output}");
    output.split_once(LEAVES).unwrap().1
}

#[test]
fn a_dashboard_ends_in_order_however_it_is_asked_to() {
    type Ask = fn(&mut OnTerminal);
    let asks: [(&str, Ask); 3] =
        [("Ctrl-C", |run| run.press("\u{3}")), ("q", |run| run.press("q")), ("SIGTERM", |run| run.signal("-TERM"))];
    for (name, ask) in asks {
        let folder = folder(SECTIONS);
        let mut run = OnTerminal::train(folder.path(), 80, "--tui");
        ask(&mut run);
        let (output, code) = run.end();
        let rest = after_the_dashboard(&output);
        for text in
            ["parameters (L1 H2 C32 T16)", "ending after this step and saving", "stopped after ", "run folder run"]
        {
            assert!(rest.contains(text), "{name}: no {text:?} in {rest}");
        }
        assert!(code == Some(0) && folder.path().join("run/model.safetensors").exists(), "{name}: {rest}");
    }
}

#[test]
fn a_dashboard_quits_at_once_and_leaves_the_terminal() {
    let folder = folder(SECTIONS);
    let mut run = OnTerminal::train(folder.path(), 80, "--tui");
    run.press("Q");
    let (output, code) = run.end();
    let rest = after_the_dashboard(&output);
    assert!(rest.contains("stopped at once") && code == Some(130), "{code:?}: {rest}");
    assert!(!folder.path().join("run/model.safetensors").exists());
}

#[test]
fn keys_pause_a_run_and_ask_for_checkpoints_and_texts() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let mut run = OnTerminal::train(folder, 80, "--tui --set checkpoint.every=0 --set checkpoint.keep_best=false");
    run.press("p");
    let mut last = 0;
    until("a pause", || {
        thread::sleep(Duration::from_secs(1));
        std::mem::replace(&mut last, events(folder)) == events(folder)
    });
    run.press("p");
    until("more steps", || events(folder) > last + 5);
    run.press("cs");
    let checkpoints = || {
        fs::read_dir(folder.join("run")).unwrap().flatten().filter(|entry| {
            entry.file_name().to_string_lossy().starts_with("step-") && entry.path().join("manifest.json").exists()
        })
    };
    until("a checkpoint", || checkpoints().count() == 1);
    run.press("q");
    let (output, _) = run.end();
    let rest = after_the_dashboard(&output);
    assert!(rest.contains("sample at step ") && rest.contains(": checkpoint run/step-"), "{rest}");
}

/// At 60 columns everything is there that a user looks for, and no bar is wider.
#[test]
fn a_bar_is_whole_at_60_columns() {
    let folder = folder(SECTIONS);
    let mut run = OnTerminal::train(folder.path(), 60, "");
    until("an evaluation", || events(folder.path()) > 150);
    thread::sleep(Duration::from_secs(1));
    run.press("\u{3}");
    let (output, _) = run.end();
    let parts = ["%", "/1000000", "loss ", "val ", "tok/s", "left "];
    // A line of 60 columns needs no break behind it.
    let rows: Vec<String> = output
        .split(['\r', '\n', '\u{1b}'])
        .flat_map(|text| {
            let chars: Vec<char> = text.trim_start_matches("[2K").chars().collect();
            chars.chunks(60).map(|row| row.iter().collect::<String>()).collect::<Vec<_>>()
        })
        .filter(|row| row.contains("left "))
        .collect();
    assert!(rows.len() > 2, "{output}");
    // The first ones come before there was an evaluation, or a speed.
    assert!(rows[2..].iter().all(|row| parts.iter().all(|part| row.contains(part))), "{rows:?}");
}

#[test]
fn a_dashboard_without_a_terminal_is_refused_and_leaves_nothing() {
    let folder = folder(SECTIONS);
    let train = ["train", "run.toml", "--device", "cpu", "--out", "run", "--tui"];
    let Output { status, stderr, .. } =
        Command::new(env!("CARGO_BIN_EXE_hearth")).args(train).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.code() == Some(1) && said.contains("--tui") && said.contains("standard output is"), "{said}");
    assert!(
        said.lines().filter(|line| line.starts_with("error: ")).count() == 1 && !folder.path().join("run").exists()
    );
}

/// As `nohup` starts a process, and `sh -c '... &'`.
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let folder = folder(SECTIONS);
    let hearth = env!("CARGO_BIN_EXE_hearth");
    let command = format!("trap '' HUP INT; exec {hearth} train run.toml --device cpu --out run");
    let mut run = Command::new("sh");
    run.args(["-c", &command]).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = run.spawn().unwrap();
    let kill =
        |signal: &str| assert!(Command::new("kill").args([signal, &run.id().to_string()]).status().unwrap().success());
    until("steps", || events(folder.path()) > 5);
    kill("-HUP");
    kill("-INT");
    let told = events(folder.path());
    until("steps after the signals", || events(folder.path()) > told + 20);
    kill("-TERM");
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.matches("ending after this step").count() == 1, "{said}");
    assert!(said.contains("stopped after ") && !said.contains("NaN"), "{said}");
}
