//! `hearth eval`.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::support::{done, folder, hearth, refused};

/// A small published model with a tokenizer, a text and rows of tasks.
pub fn model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/evaluation")
}

const CPU: [&str; 2] = ["--device", "cpu"];

#[test]
fn texts_and_tasks_are_evaluated_together() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = model();
    let file = |name: &str| model.join(name).to_str().unwrap().to_owned();
    let [path, text] = ["", "text.txt"].map(file);
    let tasks = ["hellaswag", "arc", "piqa"].map(|name| file(&format!("{name}.jsonl")));
    let tasks = tasks.each_ref().map(String::as_str);
    let table = done(folder, &[&["eval", &path, "--text", &text, &text, "--stride", "64"], &CPU[..]].concat());
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("text ") && lines[3].starts_with("all "), "{table}");
    assert_eq!(lines.len(), 5);
    // Of both as of each.
    let cells = |line: &str| line.split_whitespace().skip(3).take(4).map(String::from).collect::<Vec<_>>();
    assert_eq!(cells(lines[1]), cells(lines[3]));
    assert!(lines[4].starts_with("windows of 128 tokens, 64 apart, on CPU"), "{table}");

    let arguments =
        ["eval", &path, "--text", &text, "--tasks", tasks[0], tasks[1], tasks[2], "--json", "--rows", "rows.jsonl"];
    let output = hearth(folder, &[&arguments, &CPU[..]].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let expected: Value = serde_json::from_str(&fs::read_to_string(model.join("expected.json")).unwrap()).unwrap();
    let perplexity = found["texts"][0]["perplexity"].as_f64().unwrap();
    assert!((perplexity.ln() - found["texts"][0]["nats_per_token"].as_f64().unwrap()).abs() < 1e-9);
    for (task, name) in found["tasks"].as_array().unwrap().iter().zip(["hellaswag", "arc", "piqa"]) {
        assert_eq!((task["format"].as_str(), task["rows"].as_u64()), (Some(name), Some(6)));
        assert_eq!(task["acc"]["value"], expected["tasks"][name]["metrics"]["acc"]);
        assert_eq!(task["acc_norm"]["value"], expected["tasks"][name]["metrics"]["acc_norm"]);
    }
    let rows = fs::read_to_string(folder.join("rows.jsonl")).unwrap();
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 18);
    assert_eq!((rows[7]["line"].as_u64(), rows[7]["log_likelihoods"].as_array().map(Vec::len)), (Some(2), Some(3)));

    let limited =
        done(folder, &[&["eval", &path, "--tasks", tasks[1], "--limit", "1", "--format", "arc"], &CPU[..]].concat());
    let cells: Vec<&str> = limited.lines().nth(1).unwrap().split_whitespace().skip(1).take(2).collect();
    assert!(limited.starts_with("task ") && cells == ["arc", "1"], "{limited}");
}

/// A run's text begins with what it begins with: its first token is not scored.
#[test]
fn a_run_is_evaluated_as_a_published_model_is() {
    let folder = folder("[limits]\nsteps = 2\n[evaluation]\nevery = 0\n[checkpoint]\nevery = 2\n");
    let folder = folder.path();
    done(folder, &["train", "run.toml", "--device", "cpu", "--out", "run"]);
    let of = |path: &str| {
        let json = done(folder, &[&["eval", path, "--text", "text.txt", "--json", "--batch", "3"], &CPU[..]].concat());
        serde_json::from_str::<Value>(&json).unwrap()["texts"][0].clone()
    };
    let (run, checkpoint) = (of("run"), of("run/step-00000002"));
    assert_eq!(run["nats"], checkpoint["nats"]);
    assert_eq!((run["tokens"].as_u64(), run["scored"].as_u64()), (Some(5000), Some(4999)));
    let nats = run["nats_per_token"].as_f64().unwrap();
    assert!((3.0..5.0).contains(&nats), "{nats}");
}

#[test]
fn what_cannot_be_evaluated_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let path = model();
    let path = path.to_str().unwrap();
    let rows = fs::read_to_string(model().join("piqa.jsonl")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("empty.txt", "");
    write("ok.txt", "To be or not to be.");
    write("broken.jsonl", &format!("{rows}{{\"goal\": 3\n"));
    write("range.jsonl", &rows.replacen("\"label\": 1", "\"label\": 2", 1));
    write("other.jsonl", "{\"prompt\": \"a\"}\n");
    write(
        "long.jsonl",
        &format!("{{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"{}\", \"label\": 0}}", "b ".repeat(300)),
    );
    for (arguments, sentence) in [
        (&["--text", "empty.txt"][..], "empty.txt is empty"),
        (&["--text", "missing.txt"], "missing.txt"),
        (&["--text", "."], "is a"),
        (&["--text", "ok.txt", "--context", "129"], "--context: 129: must be from 2 to 128, the model's context"),
        (&["--text", "ok.txt", "--context", "1"], "--context: 1: must be from 2 to 128"),
        (&["--text", "ok.txt", "--context", "8", "--stride", "9"], "--stride: 9: must be from 1 to 8"),
        (&["--text", "ok.txt", "--stride", "0"], "--stride: 0: must be from 1"),
        (&["--text", "ok.txt", "--batch", "0"], "--batch: 0: must be at least 1"),
        (&["--tasks", "broken.jsonl"], "broken.jsonl:7: is no object of JSON"),
        (&["--tasks", "range.jsonl"], "range.jsonl:1: field label = 2: must be from 0 to 1, for there are 2 choices"),
        (&["--tasks", "range.jsonl", "--format", "arc"], "range.jsonl:1: field question is missing"),
        (&["--tasks", "other.jsonl"], "other.jsonl:1: has the fields [\"prompt\"], which are of no form that is known"),
        (&["--tasks", "long.jsonl"], "long.jsonl: line 1, choice 2: has "),
        (&["--tasks", "empty.txt"], "empty.txt: has no row"),
        (&["--tasks", "long.jsonl", "--rows", "no/rows"], "--rows no/rows cannot be written"),
    ] {
        let said = refused(folder, &[&["eval", path], arguments, &CPU[..]].concat());
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
    // Nothing is asked for.
    assert_eq!(hearth(folder, &["eval", path]).status.code(), Some(2));
}
