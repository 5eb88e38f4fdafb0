//! `hearth scale`: a ladder of small models, the law of their losses, and what cannot be.

use std::{fs, path::Path};

use serde_json::Value;

use super::support::{done, folder, refused};

/// Heads of 4 channels, so that a few sizes are small enough.
const SECTIONS: &str = r#"
[schedule]
warmup_steps = 5
[limits]
steps = 100
[optimizer]
learning_rate = 3e-3
[evaluation]
every = 10
batches = 4
"#;

const LADDER: [&str; 14] = [
    "scale",
    "run.toml",
    "--device",
    "cpu",
    "--set",
    "model.heads=8",
    "--set",
    "model.layers=2",
    "--budget",
    "1e10",
    "--tokens-per-parameter",
    "4",
    "--out",
    "ladder",
];

fn ladder(folder: &Path, more: &[&str]) -> Value {
    serde_json::from_str(&done(folder, &[&LADDER[..], &["--quiet", "--json"], more].concat())).unwrap()
}

fn numbers(runs: &Value, field: &str) -> Vec<f64> {
    runs.as_array().unwrap().iter().map(|run| run[field].as_f64().unwrap()).collect()
}

#[test]
fn a_ladder_is_planned_without_training() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let planned = done(folder, &[&LADDER[..], &["--dry-run"]].concat());
    assert!(
        planned.contains("parameters") && planned.contains("10 runs: ") && planned.contains("by the planner"),
        "{planned}"
    );
    let runs = &ladder(folder, &["--dry-run"])["runs"];
    let (flops, parameters) = (numbers(runs, "flops"), numbers(runs, "parameters"));
    assert!((5e9..=1e10).contains(&flops.iter().sum::<f64>()) && parameters.is_sorted(), "{runs}");
    assert!(!folder.join("ladder").exists());
}

#[test]
fn a_ladder_is_trained_once_and_says_what_follows() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    let first = ladder(folder, &[]);
    assert_eq!(first["runs"].as_array().unwrap().len(), 10, "{first}");
    assert!(numbers(&first["runs"], "loss").iter().all(|loss| (1.0..4.5).contains(loss)), "{first}");
    assert!(first["fit"]["error"].as_f64().unwrap() < 0.1 && first["fit"]["one_exponent"] == false, "{first}");
    assert_eq!(first["largest_held_out"].as_array().unwrap().len(), 2, "{first}");
    assert!((first["advised"]["flops"].as_f64().unwrap() / 1e11 - 1.0).abs() < 0.1, "{first}");
    assert!(fs::read_to_string(folder.join("ladder/scale.svg")).unwrap().contains("training FLOPs"));

    // Each is a run like any other, and what is advised is the configuration of one.
    let listed: Value = serde_json::from_str(&done(folder, &["runs", "ladder", "--json"])).unwrap();
    assert!(listed.as_array().unwrap().iter().all(|run| run["status"] == "finished"), "{listed}");
    let one = format!("ladder/{}", first["runs"][0]["name"].as_str().unwrap());
    done(folder, &["plot", &one, "--out", "one.svg"]);
    done(folder, &["check", "ladder/target.toml"]);

    // What is finished is not run again, and one that is gone is.
    fs::remove_dir_all(folder.join(&one)).unwrap();
    let kept = folder.join("ladder").join(first["runs"][9]["name"].as_str().unwrap()).join("metrics.jsonl");
    let before = fs::read(&kept).unwrap();
    let tables = done(folder, &LADDER);
    assert_eq!(fs::read(&kept).unwrap(), before);
    let again = ladder(folder, &[]);
    assert_eq!((numbers(&again["runs"], "loss"), &again["fit"]), (numbers(&first["runs"], "loss"), &first["fit"]));
    for said in
        ["L(N, D) = ", "check: without the largest size the law predicts ", "for 1.00e11 FLOPs: ", "target.toml"]
    {
        assert!(tables.contains(said), "{said}: {tables}");
    }

    let sentence = refused(folder, &[&LADDER[..], &["--lr", "1e-3"]].concat());
    assert!(sentence.contains("optimizer.learning_rate = 0.003, and this ladder's has 0.001"), "{sentence}");
}

#[test]
fn what_cannot_be_is_one_sentence() {
    let folder = folder(SECTIONS);
    let folder = folder.path();
    for (more, told) in [
        (
            &["--set", "data.validation_fraction=0"][..],
            "run.toml: the data has no validation part, whose loss a law is",
        ),
        (&["--sizes", "2"], "--sizes 2: a law is fitted to 3 sizes or more"),
        (&["--budget", "1e3"], "--budget 1.00e3 FLOPs: the smallest ladder of 5 sizes takes "),
        (
            &["--budget", "1e13", "--tokens-per-parameter", "1", "--set", "memory.budget_mib=1"],
            "a law is fitted to 3 or more",
        ),
        (&["--budget", "1e6", "--set", "batch.micro_batch=1000"], "the smallest ladder of 5 sizes takes "),
        (&["--tokens-per-parameter", "-1"], "--tokens-per-parameter -1: must be a positive number"),
        (&["--budget", "1e14", "--target", "1e3"], "--target 1.00e3 FLOPs: no size can be trained for it"),
    ] {
        let sentence = refused(folder, &[&["scale", "run.toml", "--device", "cpu", "--out", "ladder"], more].concat());
        assert!(sentence.contains(told) && !sentence.contains('\n'), "{more:?}: {sentence}");
    }
    assert!(!folder.join("ladder").exists() && !folder.join("runs").exists());
}
