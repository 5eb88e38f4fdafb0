//! A configuration as a user writes one: without the sources, with every mistake told at once.

use std::{fs, path::PathBuf};

use hearth_train::{TrainConfig, config::schema};

use super::{
    page,
    support::{PLAYS, done, refused},
};

/// A folder with a text, and no configuration yet.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("text.txt"), &PLAYS[..5_000]).unwrap();
    folder
}

/// Compares a file of the repository with what it is made of; `HEARTH_WRITE=1` writes it anew.
fn is_written(path: &str, expected: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if std::env::var_os("HEARTH_WRITE").is_some() {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let advice = "is not what the types say: HEARTH_WRITE=1 cargo test --workspace --test program written";
    assert!(found == expected, "{} {advice}", path.display());
}

#[test]
fn schema_and_page_are_as_written() {
    is_written("configs/hearth.schema.json", &format!("{:#}\n", schema()));
    is_written("docs/config.md", &page::page());
}

/// The defaults in the doc comments are those of the types.
#[test]
fn texts_tell_the_defaults_that_there_are() {
    let mut compared = 0;
    for section in hearth_train::config::sections() {
        for field in section.fields {
            assert!(!field.description.is_empty(), "{}.{} has no text", section.name, field.name);
            let told = field.description.rsplit("Default ").next().filter(|_| field.description.contains("Default "));
            let told = told
                .and_then(|told| told.split([';', ':', ',']).next())
                .map(|told| told.trim_end_matches('.').trim_matches('`'));
            if let (Some(told), Some(default)) = (told, &field.default) {
                let number = |text: &str| text.split(' ').next().unwrap().parse::<f64>().ok();
                let same = match (number(told), number(default)) {
                    (Some(told), Some(default)) => told == default || told == default / f64::from(1 << 20),
                    _ => told == default.trim_matches('"') || told.ends_with(&default.to_string()),
                };
                assert!(same, "{}.{}: the text says {told}, and it is {default}", section.name, field.name);
                compared += 1;
            }
        }
    }
    assert!(compared > 25, "{compared}");
}

#[test]
fn what_init_writes_trains() {
    let folder = folder();
    let folder = folder.path();
    let said = done(folder, &["init", "--text", "text.txt", "--device", "cpu"]);
    assert!(said.contains("wrote run.toml") && said.contains("hearth train run.toml"), "{said}");
    let written = fs::read_to_string(folder.join("run.toml")).unwrap();
    assert!(written.starts_with("#:schema ./hearth.schema.json\n"), "{written}");
    assert_eq!(fs::read_to_string(folder.join("hearth.schema.json")).unwrap(), format!("{:#}\n", schema()));
    assert!(refused(folder, &["init"]).starts_with("run.toml is there already"));
    let flags = ["--steps", "3", "--lr", "2e-3", "--batch", "2", "--seed", "7", "--device", "cpu", "--out", "run"];
    done(folder, &[&["train", "run.toml"], &flags[..]].concat());
    let run = TrainConfig::read(&folder.join("run/config.toml"), &[]).unwrap();
    assert_eq!((run.limits.steps, run.optimizer.learning_rate, run.batch.micro_batch, run.seed), (3, 2e-3, 2, 7));

    done(folder, &["init", "full.toml", "--text", "text.txt", "--device", "cpu", "--full"]);
    let settings = ["--set", "limits.steps=2", "--device", "cpu", "--out", "full"];
    done(folder, &[&["train", "full.toml"], &settings[..]].concat());
    let [short, full] = ["run.toml", "full.toml"].map(|name| TrainConfig::read(&folder.join(name), &[]).unwrap());
    assert_eq!(short, full);
    let full = fs::read_to_string(folder.join("full.toml")).unwrap();
    for name in ["beta1 = 0.9", "budget_mib = 0", "# logit_softcap =", "shard_optimizer = false", "[guard]"] {
        assert!(full.contains(&format!("\n{name}")), "{name}");
    }
}

#[test]
fn init_takes_presets_folders_and_other_places() {
    let folder = folder();
    let folder = folder.path();
    done(folder, &["init", "tiny.toml", "--preset", "Stories260K", "--text", "text.txt", "--device", "cpu"]);
    let model = TrainConfig::read(&folder.join("tiny.toml"), &[]).unwrap().model;
    assert_eq!((model.width, model.kv_heads, model.ffn_width), (64, 4, 172));
    fs::create_dir_all(folder.join("configs")).unwrap();
    done(folder, &["init", "configs/a.toml", "--text", "text.txt", "--device", "cpu"]);
    done(folder, &["train", "configs/a.toml", "--steps", "1", "--device", "cpu", "--out", "run"]);
    done(folder, &["prepare", "text.txt", "--tokenizer", "byte", "--out", "tokens"]);
    done(folder, &["init", "b.toml", "--text", "tokens", "--device", "cpu"]);
    done(folder, &["train", "b.toml", "--steps", "1", "--device", "cpu", "--out", "prepared"]);
    let refused = |arguments: &[&str]| refused(folder, &[&["init", "no.toml", "--device", "cpu"], arguments].concat());
    assert!(refused(&["--preset", "gpt3"]).contains("did you mean \"gpt2\"?"));
    assert!(refused(&["--text", "configs"]).contains("`hearth prepare configs --out tokens`"));
    assert!(refused(&["--text", "absent.txt"]).starts_with("--text absent.txt: cannot be read"));
    assert!(!folder.join("no.toml").exists());
}

#[test]
fn check_tells_all_mistakes_and_needs_no_data() {
    let folder = folder();
    let folder = folder.path();
    fs::write(
        folder.join("good.toml"),
        "[data]\ntext = \"later.txt\"\n[model]\npreset = \"gpt2\"\n[limits]\nsteps = 50\n",
    )
    .unwrap();
    let said = done(folder, &["check", "good.toml"]);
    assert!(
        said.starts_with("good.toml: nothing is wrong\nmodel  12 blocks of 768 channels, windows of 1024 tokens"),
        "{said}"
    );
    assert!(said.contains("50 steps of 8,192 tokens: 409,600 tokens"), "{said}");
    assert!(said.contains("note   schedule.warmup_steps = 100") && said.contains("there is no file at "), "{said}");
    fs::write(folder.join("bad.toml"), "[model]\nn_layer = 4\nwidth = 1.5\n[batch]\nmicro_batch = 0\n").unwrap();
    assert_eq!(
        refused(folder, &["check", "bad.toml"]).lines().collect::<Vec<_>>(),
        [
            "bad.toml: 3 mistakes",
            "  model.n_layer: there is no such field; did you mean model.layers?",
            "  model.width = 1.5: must be a whole number",
            "  batch.micro_batch = 0: must be from 1 to 1048576",
        ]
    );
}

#[test]
fn data_that_is_not_there_is_told_with_what_to_do() {
    let folder = folder();
    let folder = folder.path();
    fs::create_dir_all(folder.join("configs")).unwrap();
    fs::write(folder.join("configs/run.toml"), "[data]\ntext = \"input.txt\"\n").unwrap();
    let train = |more: &[&str]| refused(folder, &[&["train", "configs/run.toml", "--device", "cpu"], more].concat());
    let absent = train(&[]);
    assert!(
        absent.contains("data.text: there is no file at ") && absent.contains("configs/input.txt; a path in"),
        "{absent}"
    );
    assert!(
        train(&["--set", "data.text=configs"])
            .contains("is a folder: make tokens of what is in it by `hearth prepare ")
    );
    assert!(train(&["--set", "data.tokens=text.txt"]).contains("text.txt\": is a file: give the folder"));
    let tokenizer = train(&["--set", "data.text=text.txt", "--set", "data.tokenizer=gpt2"]);
    assert!(tokenizer.contains("give \"char\", \"byte\", or the path of a tokenizer"), "{tokenizer}");
    fs::write(folder.join("configs/none.toml"), "seed = 1\n").unwrap();
    let none = refused(folder, &["train", "configs/none.toml", "--device", "cpu"]);
    assert!(none.contains("give data.text, a text file, or data.tokens"), "{none}");
}

#[test]
fn presets_are_listed_and_shown() {
    let folder = folder();
    let list = done(folder.path(), &["presets"]);
    for (name, size) in [("gpt2 ", "124.4 M"), ("gpt2-xl ", "1557.6 M"), ("stories260k ", "0.3 M")] {
        assert!(list.lines().any(|line| line.starts_with(name) && line.contains(size)), "{name}{size}: {list}");
    }
    let shown = done(folder.path(), &["presets", "gpt2"]);
    assert!(shown.starts_with("[model]\n") && shown.contains("\nlayers = 12\n"), "{shown}");
    assert!(refused(folder.path(), &["presets", "gpt3"]).contains("did you mean \"gpt2\"?"));
}

/// What stands in place of a configuration, and settings that set nothing.
#[test]
fn what_is_no_configuration_is_told() {
    let folder = folder();
    let folder = folder.path();
    fs::write(folder.join("run.toml"), "").unwrap();
    fs::create_dir_all(folder.join("runs/one")).unwrap();
    fs::write(folder.join("runs/one/config.toml"), "").unwrap();
    let wide: Vec<u8> = "\u{feff}[limits]\nsteps = 4\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(folder.join("wide.toml"), wide).unwrap();
    fs::write(folder.join("long.toml"), "#".repeat(5 << 20)).unwrap();
    let said = |arguments: &[&str]| refused(folder, &[&["check"], arguments].concat());
    assert_eq!(said(&["runs"]), "runs: is a folder: name the file in it");
    let of_a_run =
        "runs/one: is a run's folder: --resume runs/one goes on with it, and its configuration is runs/one/config.toml";
    assert_eq!(said(&["runs/one"]), of_a_run);
    assert!(said(&["wide.toml"]).starts_with("wide.toml is UTF-16"), "{}", said(&["wide.toml"]));
    assert_eq!(said(&["long.toml"]), "long.toml: has more than 4 MiB: a configuration is some lines of TOML");
    for (setting, sentence) in [
        (".x=1", "--set .x=1: must read section.field=value"),
        ("data.text=", "--set data.text=: gives no value"),
        ("limits.steps= ", "--set limits.steps= : gives no value"),
        (
            "seed=99999999999999999999",
            "--set seed=99999999999999999999: the number is beyond 9223372036854775807, the largest that a configuration can hold",
        ),
        ("data.validation_fraction=1", "run.toml: data.validation_fraction = 1: must be at least 0 and under 1"),
        ("optimizer.clip_norm=inf", "run.toml: optimizer.clip_norm = inf: must be 0 or more, and finite"),
        ("optimizer.clip_norm=-1", "run.toml: optimizer.clip_norm = -1: must be 0 or more"),
    ] {
        assert_eq!(said(&["run.toml", "--set", setting]), sentence);
    }
}
