//! `hearth prepare --chat` as a user meets it, and a run on what it made.

use std::{fs, path::Path};

use super::support::{done, hearth, refused};

const TEMPLATE: &str = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

const RUN: &str = r#"
seed = 1
[data]
tokens = "chats"
packing = "documents"
[model]
preset = "shakespeare-cpu"
layers = 1
width = 32
heads = 2
context_length = 64
[batch]
micro_batch = 2
[limits]
steps = 4
[evaluation]
every = 2
batches = 2
"#;

/// A folder with sixty chats, of which one has no answer, a template and a small run on them.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let chat = |n: usize| match n {
        7 => r#"{"messages":[{"role":"user","content":"Anyone?"}]}"#.to_owned(),
        _ => format!(
            r#"{{"messages":[{{"role":"user","content":"What is {n}?"}},{{"role":"assistant","content":"{n} is a number."}}]}}"#
        ),
    };
    let lines: Vec<String> = (1..=60).map(chat).collect();
    fs::write(folder.path().join("chats.jsonl"), lines.join("\n")).unwrap();
    fs::write(folder.path().join("chat.jinja"), TEMPLATE).unwrap();
    fs::write(folder.path().join("run.toml"), RUN).unwrap();
    folder
}

const CHATS: [&str; 8] = [
    "prepare",
    "chats.jsonl",
    "--chat",
    "--template",
    "chat.jinja",
    "--tokenizer",
    "byte",
    "--validation-fraction=0.2",
];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    [&CHATS[..], more].concat()
}

/// What a command says on standard error, which must succeed.
fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = hearth(folder, arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn chats_are_prepared_and_trained_on() {
    let folder = folder();
    let folder = folder.path();
    let fault = refused(folder, &with(&["--out", "chats"]));
    assert!(fault.starts_with("chats.jsonl, line 7: none of the 1 messages to be trained"), "{fault}");
    assert!(fault.ends_with("(`--faults skip` leaves out what is faulty, and counts it)"), "{fault}");

    let arguments = with(&["--out", "chats", "--faults", "skip", "--context", "64"]);
    let output = hearth(folder, &arguments);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("left out: 1 rows (1 nothing to train), the first of them:\n  chats.jsonl, line 7: "),
        "{said}"
    );
    let summary = String::from_utf8(output.stdout).unwrap();
    let numbers = |line: &str| -> Vec<u64> {
        let line = summary.lines().find(|it| it.starts_with(line)).unwrap();
        line.split(|it: char| !it.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
    };
    // Tokens, trained, rows, shards, cut, left out.
    let (train, validation) = (numbers("train"), numbers("validation"));
    let sum: Vec<u64> = train.iter().zip(&validation).map(|(one, other)| one + other).collect();
    let trained: u64 = (1..=60).filter(|n| *n != 7).map(|n| format!("{n} is a number.\n").len() as u64).sum();
    let tokens = trained
        + (1..=60).filter(|n| *n != 7).map(|n| format!("<user>What is {n}?\n<assistant>").len() as u64).sum::<u64>();
    assert_eq!(sum, [tokens, trained, 59, 2, 0, 1], "{summary}");
    assert!(summary.contains("data.tokens = \"chats\" and data.packing = \"documents\""), "{summary}");
    assert!(done(folder, &arguments).contains("was finished before"));
    let other = refused(folder, &with(&["--out", "chats", "--faults", "skip", "--context", "32"]));
    assert!(other.contains("was begun with `context` = 64, now it is 32"), "{other}");

    let said = told(folder, &["train", "run.toml", "--device", "cpu"]);
    assert!(!said.contains("cuts chats anywhere"), "{said}");
    let metrics = fs::read_to_string(folder.join("runs/run/metrics.jsonl")).unwrap();
    let losses: Vec<f64> = metrics
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["train_loss"].as_f64())
        .collect();
    assert!(losses.len() == 4 && losses[3] < losses[0], "{losses:?}");
    let windows = ["train", "run.toml", "--device", "cpu", "--set", "data.packing=windows", "--out", "windows"];
    assert!(told(folder, &windows).contains("data.packing = \"windows\" cuts chats anywhere"));
}

#[test]
fn a_preview_shows_what_is_trained_and_writes_nothing() {
    let folder = folder();
    let folder = folder.path();
    let shown = done(folder, &with(&["--preview", "2"]));
    let expected =
        "chats.jsonl, line 2\n<user>What is 2?\n<assistant>[[2 is a number.\n]]\n(43 tokens, 15 of them trained)\n";
    assert_eq!(shown, expected);
    assert!(done(folder, &with(&["--preview", "7"])).contains("left out, nothing to train: none of the 1 messages"));
    let cut = done(folder, &with(&["--preview", "2", "--context", "30"]));
    assert!(cut.ends_with("[[2 i]]\n(31 tokens, 3 of them trained, cut to --context)\n"), "{cut}");
    assert_eq!(refused(folder, &with(&["--preview", "61"])), "--preview 61: the files have 60 rows");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3, "something was written");
}

#[test]
fn pairs_are_prepared_and_not_taken_for_text() {
    let folder = folder();
    let folder = folder.path();
    let pair = |n| format!("{{\"prompt\":\"{n}?\",\"chosen\":\"yes\",\"rejected\":\"no\"}}\n");
    fs::write(folder.join("pairs.jsonl"), (0..40).map(pair).collect::<String>()).unwrap();
    let pairs = ["prepare", "pairs.jsonl", "--chat", "--tokenizer", "byte", "--validation-fraction=0.2"];
    let shown = done(folder, &[&pairs[..], &["--preview", "1"]].concat());
    assert!(shown.contains("chosen:\n0?[[yes]]\n(5 tokens") && shown.contains("rejected:\n0?[[no]]\n"), "{shown}");
    let summary = done(folder, &[&pairs[..], &["--out", "chats"]].concat());
    assert!(
        summary.contains(" pairs, 1 shards; 0 rows cut") && summary.contains("ids; pairs of preferences"),
        "{summary}"
    );
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(folder.join("chats/prepare.json")).unwrap()).unwrap();
    assert_eq!(manifest["pairs"], true);
    let text = refused(folder, &["train", "run.toml", "--device", "cpu"]);
    assert!(text.contains("chats") && text.contains("its documents are pairs of preferences"), "{text}");
    let mixed = [&CHATS[..], &["pairs.jsonl", "--faults", "skip", "--out", "mixed"]].concat();
    let mixed = refused(folder, &mixed);
    assert!(mixed.starts_with("pairs.jsonl, line 1: this row is a preference, unlike those before it"), "{mixed}");
}

#[test]
fn each_mistake_has_its_sentence() {
    let folder = folder();
    let folder = folder.path();
    let bare = ["prepare", "chats.jsonl", "--chat", "--tokenizer", "byte", "--out", "x"];
    let error = |more: &[&str]| refused(folder, &[&bare[..], more].concat());
    assert!(error(&[]).ends_with("(--template FILE, for none stands beside the tokenizer)"), "{}", error(&[]));
    fs::write(folder.join("broken.jinja"), "{% for %}").unwrap();
    assert!(error(&["--template", "broken.jinja"]).starts_with("--template broken.jinja: line 1 of the chat template"));
    assert!(error(&["--template", "none.jinja"]).starts_with("--template none.jinja cannot be read"));
    assert!(error(&["--template", "."]).starts_with("there is no chat template in ."));
    let value = ["--template", "chat.jinja", "--template-value", "thinking"];
    assert!(error(&value).starts_with("--template-value thinking: give a name and a value"));
    let date = ["--template", "chat.jinja", "--template-date", "2025-02-30"];
    assert_eq!(error(&date), "--template-date 2025-02-30: give a day as 2025-01-31");
    assert!(error(&["--template-value", "a=1"]).contains("are for a chat template"));
    fs::write(folder.join("now.jinja"), "{{ strftime_now('%Y') }}{% for m in messages %}{{ m.content }}{% endfor %}")
        .unwrap();
    assert!(error(&["--template", "now.jinja"]).ends_with("(--template-date YYYY-MM-DD)"));
    fs::write(folder.join("chats.txt"), "text").unwrap();
    let text = refused(folder, &["prepare", "chats.txt", "--chat", "--tokenizer", "byte", "--out", "x"]);
    assert!(text.starts_with("chats.txt: rows of chats are read from .jsonl, .json and .parquet files"), "{text}");
    // Arguments that do not go together are clap's to refuse.
    for arguments in [&["--field", "a"][..], &["--separator", "x"], &["--vocab-size", "300"]] {
        assert_eq!(hearth(folder, &[&bare[..], arguments].concat()).status.code(), Some(2));
    }
    let without = ["prepare", "chats.jsonl", "--tokenizer", "byte", "--out", "x", "--context", "5"];
    assert_eq!(hearth(folder, &without).status.code(), Some(2));
}
