//! A process that is killed at any moment.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use super::{EXPERTS_BY_MUON, checkpoint, curve, folder, hearth, state_of, succeeded};

/// Steps between checkpoints: so few that many kills meet one being written.
const EVERY: u64 = 1;
const LAST: u64 = 300;

fn arguments<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let settings = ["limits.steps=300", "checkpoint.every=1", "checkpoint.keep_every=0", "evaluation.every=10"];
    let sets = settings.into_iter().chain(more.iter().copied()).flat_map(|setting| ["--set", setting]);
    ["config.toml", "--device", "cpu", "--resume", "auto", "--out", out].into_iter().chain(sets).collect()
}

/// The last step whose figures were reported, and the newest checkpoint that stands.
fn reached(run: &Path) -> (u64, u64) {
    let reported = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
    let step = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["step"].as_u64();
    let names = std::fs::read_dir(run).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let saved = names.filter_map(|name| name.to_str()?.strip_prefix("step-")?.parse::<u64>().ok()).max();
    (reported.lines().filter_map(step).max().unwrap_or(0), saved.unwrap_or(0))
}

/// `HEARTH_KILLS=100 cargo test --workspace --test survival kills -- --nocapture` is the full run; 10 kills by default.
#[test]
fn every_resumption_continues_the_curve() {
    survives(&[]);
}

#[test]
#[ignore = "slow: .ci/slow runs it"]
fn every_resumption_continues_the_curve_with_experts_by_muon() {
    survives(&EXPERTS_BY_MUON);
}

fn survives(settings: &[&str]) {
    let kills: usize = std::env::var("HEARTH_KILLS").map_or(10, |text| text.parse().expect("HEARTH_KILLS is a number"));
    let folder = folder();
    let start = Instant::now();
    succeeded(hearth(folder.path(), &arguments("whole", settings)).output().unwrap());
    let whole = start.elapsed();
    let expected = (state_of(&checkpoint(&folder.path().join("whole"), LAST)), curve(&folder.path().join("whole")));

    let run = folder.path().join("killed");
    let mut seed = 7_u64;
    let (mut killed, mut finished, mut while_writing, mut most_lost) = (0, 0, 0, 0);
    while killed < kills {
        // Lehmer's generator, to a moment between the first file and half of a whole run.
        seed = seed * 48_271 % 0x7fff_ffff;
        let moment = whole.mul_f64(0.5 * seed as f64 / f64::from(0x7fff_ffff));
        let mut process = hearth(folder.path(), &arguments("killed", settings));
        let mut process = process.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(moment.max(Duration::from_millis(5)));
        process.kill().unwrap();
        if process.wait().unwrap().success() {
            let reached = (state_of(&checkpoint(&run, LAST)), curve(&run));
            assert!(reached == expected, "the run that survived {killed} kills is another");
            finished += 1;
            std::fs::remove_dir_all(&run).unwrap();
            continue;
        }
        killed += 1;
        let part = std::fs::read_dir(&run).into_iter().flatten().flatten();
        while_writing +=
            usize::from(part.into_iter().any(|entry| entry.path().extension().is_some_and(|it| it == "part")));
        let (reported, saved) = reached(&run);
        // The step at hand, the one whose figures were on the way, and the one that a checkpoint waits for.
        assert!(
            reported <= saved + 2 * EVERY + 3,
            "kill {killed}: step {reported} was reported, and {saved} was saved"
        );
        most_lost = most_lost.max(reported.saturating_sub(saved));
    }
    let text = succeeded(hearth(folder.path(), &arguments("killed", settings)).output().unwrap());
    assert!((state_of(&checkpoint(&run, LAST)), curve(&run)) == expected, "{text}");
    eprintln!(
        "{kills} kills, {while_writing} of them while a checkpoint was being written, in {} runs of {LAST} steps, each of \
         which came to the same bits; at most {most_lost} reported steps were taken again",
        finished + 1
    );
}
